# Installs the build, moves the installed copy elsewhere (nothing may remember where it was), and
# builds and runs a project that knows mec only through find_package.
cmake_minimum_required(VERSION 3.22)
function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    list(JOIN ARGV " " command)
    message(FATAL_ERROR "${command}\n${output}")
  endif()
endfunction()

file(REMOVE_RECURSE "${work_dir}")
run("${CMAKE_COMMAND}" --install "${build_dir}" --prefix "${work_dir}/first" --config "${config}")
file(RENAME "${work_dir}/first" "${work_dir}/moved")
string(REPLACE ";" "\\;" search "${work_dir}/moved;${prefix_path}")
run("${CMAKE_COMMAND}" -S "${source_dir}/tests/install" -B "${work_dir}/build" -G "${generator}"
  "-DCMAKE_CXX_COMPILER=${compiler}" "-DCMAKE_BUILD_TYPE=${config}" "-DCMAKE_PREFIX_PATH=${search}"
  "-DEXAMPLES=${source_dir}/examples")
run("${CMAKE_COMMAND}" --build "${work_dir}/build")
run("${work_dir}/build/consumer")
run("${work_dir}/build/pretrain" "${work_dir}/run")
if(EXISTS "${work_dir}/build/custom_operation")
  run("${work_dir}/build/custom_operation")
endif()
if(EXISTS "${work_dir}/moved/bin/mec")
  run("${work_dir}/moved/bin/mec" --help)
endif()
