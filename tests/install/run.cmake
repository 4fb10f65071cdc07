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
  "-DEXAMPLES=${source_dir}/examples" "-DC_PROGRAM=${source_dir}/tests/capi/program.c")
run("${CMAKE_COMMAND}" --build "${work_dir}/build")
run("${work_dir}/build/consumer")
run("${work_dir}/build/pretrain" "${work_dir}/run")
if(EXISTS "${work_dir}/build/custom_operation")
  run("${work_dir}/build/custom_operation")
endif()
if(EXISTS "${work_dir}/moved/bin/mec")
  run("${work_dir}/moved/bin/mec" --help)
endif()

foreach(file IN ITEMS mec_c.f90 mec.f90)
  if(NOT EXISTS "${work_dir}/moved/share/mec/fortran/${file}")
    message(FATAL_ERROR "the installed copy has no share/mec/fortran/${file}")
  endif()
endforeach()

# The README's lines in each language.
if(python)
  run("${python}" "${source_dir}/tests/docs/languages.py" "${work_dir}/moved")
endif()

# In C: by CMake, in a project without C++, and by pkg-config.
foreach(program IN ITEMS c_program c_static_program)
  run("${work_dir}/build/${program}" "${work_dir}/${program}_run")
endforeach()
file(MAKE_DIRECTORY "${work_dir}/c_only")
file(WRITE "${work_dir}/c_only/CMakeLists.txt" "cmake_minimum_required(VERSION 3.22)\nproject(c_only LANGUAGES C)\n"
  "find_package(mec REQUIRED COMPONENTS c)\nadd_executable(c_only \"${source_dir}/tests/capi/program.c\")\n"
  "target_link_libraries(c_only PRIVATE mec::c m)\n")
run("${CMAKE_COMMAND}" -S "${work_dir}/c_only" -B "${work_dir}/c_only/build" -G "${generator}"
  "-DCMAKE_PREFIX_PATH=${work_dir}/moved")
run("${CMAKE_COMMAND}" --build "${work_dir}/c_only/build")
run("${work_dir}/c_only/build/c_only" "${work_dir}/c_only_run")
find_program(pkg_config NAMES pkg-config pkgconf)
find_program(c_compiler NAMES cc gcc clang)
if(NOT pkg_config OR NOT c_compiler)
  message(STATUS "pkg-config was not tried: there is no pkg-config, or no cc")
  return()
endif()
file(GLOB_RECURSE pc "${work_dir}/moved/*/mec.pc")
get_filename_component(folder "${pc}" DIRECTORY)
execute_process(COMMAND "${CMAKE_COMMAND}" -E env "PKG_CONFIG_PATH=${folder}" "${pkg_config}" --cflags --libs mec
  OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
get_filename_component(libraries "${folder}" DIRECTORY)
separate_arguments(flags UNIX_COMMAND "${flags}")
run("${c_compiler}" -std=c99 -Wall -Wextra -pedantic -Werror "${source_dir}/tests/capi/program.c" -o "${work_dir}/by_pkg_config"
  ${flags} "-Wl,-rpath,${libraries}" -lm)
run("${work_dir}/by_pkg_config" "${work_dir}/by_pkg_config_run")
