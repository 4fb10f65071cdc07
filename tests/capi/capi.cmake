# Programs in C99 that use the header as a stranger would, against both libraries of the build; what
# these export; and the record of the ABI.
function(mec_c_program name source library)
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE ${library} m)
  set_target_properties(${name} PROPERTIES C_STANDARD 99 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
  target_compile_options(${name} PRIVATE -Wall -Wextra -pedantic -Werror)
  if(MEC_SANITIZE)  # whose runtime is that of the C++ compiler
    set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX)
    target_link_options(${name} PRIVATE ${instrumentation})
  endif()
  add_dependencies(thread_tests ${name})
endfunction()

get_target_property(abi mec_c SOVERSION)
set(exports "${PROJECT_SOURCE_DIR}/capi/mec.map")
if(NOT CMAKE_CROSSCOMPILING)  # a toolchain file names the C++ compiler alone
  enable_language(C)
  foreach(library IN ITEMS c c_static)
    mec_c_program(capi_${library} capi/program.c mec::${library})
    add_test(NAME capi/program_${library} COMMAND capi_${library} "${CMAKE_CURRENT_BINARY_DIR}/capi_${library}_run")
    set_tests_properties(capi/program_${library} PROPERTIES LABELS threads)
  endforeach()
  include(capi/next.cmake)
endif()
find_package(Python3 QUIET COMPONENTS Interpreter)
if(Python3_FOUND)
  set(script "${CMAKE_CURRENT_SOURCE_DIR}/capi/abi.py")
  set(archives "")
  if(NOT MEC_SANITIZE)  # whose symbols they would have
    list(TRANSFORM MEC_ROOMS REPLACE "(.+)" "$<TARGET_FILE:mec_\\1>" OUTPUT_VARIABLE archives)
    list(PREPEND archives $<TARGET_FILE:mec_c_static>)
  endif()
  add_test(NAME capi/symbols COMMAND Python3::Interpreter "${script}" symbols "${CMAKE_NM}" "${MEC_INCLUDE_DIR}/mec.h"
    $<TARGET_FILE:mec_c> ${archives})
  add_test(NAME capi/abi_self_test COMMAND Python3::Interpreter "${script}" --self-test)
  if(CMAKE_C_COMPILER AND CMAKE_SIZEOF_VOID_P EQUAL 8)
    add_test(NAME capi/abi COMMAND Python3::Interpreter "${script}" layout "${CMAKE_C_COMPILER}" "${MEC_INCLUDE_DIR}/mec.h"
      "${CMAKE_CURRENT_SOURCE_DIR}/capi/abi_${abi}.txt")
  endif()
endif()
