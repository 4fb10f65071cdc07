# mec_room(<name> [DEPENDS <room>...] [USES <dependency>...] SOURCES <file>...)
#
# The static library mec_<name> (alias mec::<name>) of one room, called from <name>/CMakeLists.txt.
#   DEPENDS  rooms that this one includes; linked PUBLIC
#   USES     any of: openmp onednn blas zlib jpeg png webp tiff gif threads stb json cli11 toml;
#            linked PRIVATE, and skipped where it is missing: the sources ask `#if MEC_HAVE_OPENMP`
#            (ONEDNN, BLAS, ZLIB)
#
# The room `cli` is the program: main.cpp makes the executable `mec` (target mec_cli); its other
# sources make a library (target mec_commands), so that tests reach them too.
function(mec_room name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPENDS;USES;SOURCES")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "mec_room(${name}): what is '${arg_UNPARSED_ARGUMENTS}'? "
                        "Say DEPENDS, USES or SOURCES first.")
  endif()

  set(target mec_${name})
  if(name STREQUAL "cli")
    set(target mec_commands)
    list(REMOVE_ITEM arg_SOURCES main.cpp)
    add_executable(mec_cli main.cpp)
    set_target_properties(mec_cli PROPERTIES OUTPUT_NAME mec RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}")
    target_link_libraries(mec_cli PRIVATE mec_options ${target})
  endif()

  add_library(${target} STATIC ${arg_SOURCES})
  add_library(mec::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} PUBLIC
    "$<BUILD_INTERFACE:${MEC_INCLUDE_DIR}>" "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  target_link_libraries(${target} PRIVATE "$<BUILD_INTERFACE:mec_options>")
  target_precompile_headers(${target} PRIVATE ${MEC_STANDARD_HEADERS})

  foreach(room IN LISTS arg_DEPENDS)
    target_link_libraries(${target} PUBLIC mec_${room})
  endforeach()
  foreach(dependency IN LISTS arg_USES)
    if(NOT DEFINED MEC_TARGET_${dependency})
      message(FATAL_ERROR "mec_room(${name}): USES ${dependency}: no such dependency")
    endif()
    target_link_libraries(${target} PRIVATE ${MEC_TARGET_${dependency}})  # empty where it was not found
  endforeach()
endfunction()
