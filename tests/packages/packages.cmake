# The program as one file, and the Debian packages, where nothing else of this system is. Each wants
# a root of its own (a chroot), and the network for a bare Debian; else it is skipped.
if(NOT CMAKE_CROSSCOMPILING AND NOT MEC_SANITIZE)
  set(images "${CMAKE_CURRENT_SOURCE_DIR}/cases/folders_silently_short/extensions")
  add_test(NAME "packages/static (slow)" COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/packages/static.sh" "${PROJECT_SOURCE_DIR}"
    "${CMAKE_CURRENT_BINARY_DIR}/static" "${images}" $<TARGET_FILE:mec_cli> -G "${CMAKE_GENERATOR}"
    "-DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER}" "-DCMAKE_PREFIX_PATH=${CMAKE_PREFIX_PATH}")
  add_test(NAME "packages/deb (slow)" COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/packages/deb.sh" "${PROJECT_SOURCE_DIR}"
    "${PROJECT_BINARY_DIR}" "${CMAKE_CURRENT_BINARY_DIR}/deb")
  set_tests_properties("packages/static (slow)" "packages/deb (slow)" PROPERTIES LABELS slow SKIP_RETURN_CODE 77 TIMEOUT 3600)
endif()
