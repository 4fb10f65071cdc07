# mec_embed(<output.cpp> <namespace> <header> <file>...): a source that holds the files' bytes, each
# as a std::string_view named after its file, with _ for other characters. A file that is missing
# (NAME-NOTFOUND) is empty. Runs itself as a script when the source is made.
if(NOT CMAKE_SCRIPT_MODE_FILE)
  function(mec_embed output namespace header)
    set(there ${ARGN})
    list(FILTER there EXCLUDE REGEX "-NOTFOUND$")
    add_custom_command(OUTPUT "${output}" DEPENDS ${there} "${CMAKE_CURRENT_FUNCTION_LIST_FILE}"
      COMMAND "${CMAKE_COMMAND}" "-Doutput=${output}" "-Dnamespace=${namespace}" "-Dheader=${header}" "-Dfiles=${ARGN}"
        -P "${CMAKE_CURRENT_FUNCTION_LIST_FILE}" VERBATIM)
  endfunction()
  return()
endif()

set(text "#include \"${header}\"\n\nnamespace ${namespace} {\n")
foreach(file IN LISTS files)
  string(REGEX REPLACE "-NOTFOUND$" "" path "${file}")
  get_filename_component(name "${path}" NAME)
  string(REGEX REPLACE "[^a-zA-Z0-9]" "_" name "${name}")
  set(bytes "")
  if(EXISTS "${file}")
    file(READ "${file}" bytes HEX)
    string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${bytes}")
  endif()
  # One more byte, so that no array is empty.
  string(APPEND text "static const char bytes_of_${name}[] = {${bytes}'\\0'};\n"
    "extern const std::string_view ${name}(bytes_of_${name}, sizeof bytes_of_${name} - 1);\n")
endforeach()
file(WRITE "${output}" "${text}}  // namespace ${namespace}\n")
