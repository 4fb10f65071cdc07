# make install: the program, the rooms' libraries and public headers, and a package for
# find_package(mec).
include(CMakePackageConfigHelpers)

set(targets mec)
foreach(name IN LISTS MEC_ROOMS MEC_HEADER_ONLY)
  if(TARGET mec_${name})
    list(APPEND targets mec_${name})
  endif()
endforeach()
install(TARGETS ${targets} EXPORT mecTargets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
if(TARGET mec_cli)
  # The program's RPATH: the folders where the libraries were found.
  # (CMAKE_INSTALL_RPATH_USE_LINK_PATH would leave out folders within the source tree, such as
  # .deps.)
  foreach(library IN ITEMS "${MecOneDnn_LIBRARY}" "${MecBlas_LIBRARY}" "${MecBlas_LAPACKE_LIBRARY}"
      "${MecWebp_LIBRARY}" "${PNG_LIBRARY_RELEASE}" "${JPEG_LIBRARY_RELEASE}" "${TIFF_LIBRARY_RELEASE}" "${GIF_LIBRARY}")
    get_filename_component(folder "${library}" DIRECTORY)
    if(IS_ABSOLUTE "${folder}" AND NOT folder IN_LIST CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES)
      set_property(TARGET mec_cli APPEND PROPERTY INSTALL_RPATH "${folder}")
    endif()
  endforeach()
  install(TARGETS mec_cli RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()

if(TARGET mec_mpi)
  install(TARGETS mec_mpi LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}/mec")
endif()

# The headers within a backend, and those of the program, are private and not installed; a backend
# is used through tensor/backend.h.
install(DIRECTORY ${MEC_ROOMS} DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/mec" FILES_MATCHING PATTERN "*.h"
  PATTERN "tensor/backends/cpu" EXCLUDE PATTERN "tensor/backends/cuda" EXCLUDE PATTERN "tensor/backends/reference" EXCLUDE)
install(FILES include/mec/all.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/mec")

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/mec")
install(EXPORT mecTargets NAMESPACE mec:: DESTINATION "${package_dir}")
configure_package_config_file(cmake/mecConfig.cmake.in mecConfig.cmake INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file(mecConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/mecConfig.cmake" "${PROJECT_BINARY_DIR}/mecConfigVersion.cmake"
  cmake/FindMecBlas.cmake cmake/FindMecOneDnn.cmake cmake/FindMecWebp.cmake DESTINATION "${package_dir}")
