# The next library of the same MEC_ABI, made of this one: each struct that tells its size has one
# member more, `added`, and there is a function, an element type, and a version of its own. Programs
# that were compiled against today's header must run with it, as mec.h promises.
set(next "${CMAKE_CURRENT_BINARY_DIR}/next")
set(end ";")  # written @end@ in what follows, since it would cut a list

# mec_next_file(<file> <pattern> <replacement>...): the file below include/, changed, in `next`.
function(mec_next_file file)
  file(READ "${MEC_INCLUDE_DIR}/${file}" text)
  while(ARGN)
    list(POP_FRONT ARGN pattern replacement)
    string(REGEX REPLACE "${pattern}" "${replacement}" changed "${text}")
    if(changed STREQUAL text)
      message(FATAL_ERROR "tests/capi/next.cmake: ${file} has no ${pattern}")
    endif()
    set(text "${changed}")
  endwhile()
  file(CONFIGURE OUTPUT "${next}/include/${file}" CONTENT "${text}" @ONLY)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${MEC_INCLUDE_DIR}/${file}")
endfunction()
mec_next_file(mec.h
  "\n} (mec_device|mec_encoder_info|mec_embeddings|mec_trainer_options|mec_trainer_info)." "\n  int64_t added@end@\n} \\1@end@"
  "(sizeof\\(mec_[a-z_]+\\), [^}]*[^ }]) }" "\\1, -7 }"
  "MEC_F64 = 2 }" "MEC_F64 = 2, MEC_F16 = 3 }"
  "(mec_version\\(void\\).)" "\\1\nMEC_API int64_t mec_added(void) __attribute__((weak))@end@")
mec_next_file(mec/capi/calls.h
  "(MEC_ENDS_WITH\\(mec_[a-z_]+, )[a-z_]+" "\\1added"
  "// Structs that grow" "inline std::int64_t seen = 0@end@ // what the last struct that was read has in it\n\\0"
  "std::memcpy\\(&defaults[^\n]*" "\\0\n  seen = defaults.added@end@"
  "values.size = of_caller->size." "\\0\n  values.added = 42@end@")
file(CONFIGURE OUTPUT "${next}/added.cpp" CONTENT
  "#include \"mec/capi/calls.h\"\nint64_t mec_added(void) { return mec::capi::seen; }\n" @ONLY)

get_target_property(sources mec_c_objects SOURCES)
list(TRANSFORM sources PREPEND "${PROJECT_SOURCE_DIR}/capi/")
add_library(mec_next SHARED ${sources} "${next}/added.cpp")
target_include_directories(mec_next BEFORE PRIVATE "${next}/include")
target_compile_options(mec_next PRIVATE -Wno-missing-field-initializers)  # `added`, of which today's sources know nothing
target_compile_definitions(mec_next PRIVATE MEC_BUILDS_LIBRARY=1 "MEC_VERSION=\"next\"")
target_link_libraries(mec_next PRIVATE mec_options mec_eval)
target_link_options(mec_next PRIVATE "LINKER:--version-script=${exports}")
set_target_properties(mec_next PROPERTIES OUTPUT_NAME mec SOVERSION ${abi} LIBRARY_OUTPUT_DIRECTORY "${next}"
  CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)

# Today's program with the next library, and the next program with either.
mec_c_program(capi_next capi/next.c mec_next)
target_include_directories(capi_next BEFORE PRIVATE "${next}/include")
add_test(NAME capi/program_of_today_with_next_library COMMAND capi_c "${CMAKE_CURRENT_BINARY_DIR}/capi_today_run")
set_tests_properties(capi/program_of_today_with_next_library PROPERTIES ENVIRONMENT "LD_LIBRARY_PATH=${next}"
  PASS_REGULAR_EXPRESSION "mec next\n")
add_test(NAME capi/next_program_with_next_library COMMAND capi_next)
set_tests_properties(capi/next_program_with_next_library PROPERTIES PASS_REGULAR_EXPRESSION "grown structs are read and filled")
add_test(NAME capi/next_program_with_library_of_today COMMAND capi_next)
set_tests_properties(capi/next_program_with_library_of_today PROPERTIES ENVIRONMENT "LD_LIBRARY_PATH=$<TARGET_FILE_DIR:mec_c>"
  PASS_REGULAR_EXPRESSION "an older library refuses grown structs")
