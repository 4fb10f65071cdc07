# Programs in C99 that use the installed header as a stranger would, against both libraries; and
# what the shared one exports.
if(NOT CMAKE_CROSSCOMPILING)  # a toolchain file names the C++ compiler alone
  enable_language(C)
  foreach(library IN ITEMS c c_static)
    add_executable(capi_${library} capi/program.c)
    target_link_libraries(capi_${library} PRIVATE mec::${library} m)
    set_target_properties(capi_${library} PROPERTIES C_STANDARD 99 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
    target_compile_options(capi_${library} PRIVATE -Wall -Wextra -pedantic -Werror)
    if(MEC_SANITIZE)  # whose runtime is that of the C++ compiler
      set_target_properties(capi_${library} PROPERTIES LINKER_LANGUAGE CXX)
      target_link_options(capi_${library} PRIVATE ${instrumentation})
    endif()
    add_test(NAME capi/program_${library} COMMAND capi_${library} "${CMAKE_CURRENT_BINARY_DIR}/capi_${library}_run")
  endforeach()
endif()
find_package(Python3 QUIET COMPONENTS Interpreter)
if(Python3_FOUND)
  add_test(NAME capi/symbols COMMAND Python3::Interpreter "${CMAKE_CURRENT_SOURCE_DIR}/capi/symbols.py"
    --nm "${CMAKE_NM}" "${MEC_INCLUDE_DIR}/mec.h" $<TARGET_FILE:mec_c>)
  add_test(NAME capi/symbols_self_test COMMAND Python3::Interpreter "${CMAKE_CURRENT_SOURCE_DIR}/capi/symbols.py" --self-test)
endif()
