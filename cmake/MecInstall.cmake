# make install: the program, the rooms' libraries and public headers, the C interface, and packages
# for find_package(mec) and pkg-config.
if(MEC_STATIC)  # the program alone
  install(TARGETS mec_cli RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  return()
endif()
include(CMakePackageConfigHelpers)
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME dev)  # of what follows, where none is said

set(targets mec)
foreach(name IN LISTS MEC_ROOMS MEC_HEADER_ONLY)
  if(TARGET mec_${name})
    list(APPEND targets mec_${name})
  endif()
endforeach()
install(TARGETS ${targets} EXPORT mecTargets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
# The RPATH of what is linked to shared libraries: the folders where these were found.
# (CMAKE_INSTALL_RPATH_USE_LINK_PATH would leave out folders within the source tree, such as .deps.)
foreach(library IN ITEMS "${MecOneDnn_LIBRARY}" "${MecBlas_LIBRARY}" "${MecBlas_LAPACKE_LIBRARY}"
    "${MecWebp_LIBRARY}" "${PNG_LIBRARY_RELEASE}" "${JPEG_LIBRARY_RELEASE}" "${TIFF_LIBRARY_RELEASE}" "${GIF_LIBRARY}")
  get_filename_component(folder "${library}" DIRECTORY)
  if(IS_ABSOLUTE "${folder}" AND NOT folder IN_LIST CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES)
    list(APPEND found_in "${folder}")
  endif()
endforeach()
list(REMOVE_DUPLICATES found_in)
set_target_properties(mec_cli mec_c PROPERTIES INSTALL_RPATH "${found_in}")
install(TARGETS mec_cli RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT program)

# The C interface. Its shared library stands for itself: a project in C finds it without a C++
# compiler, by find_package(mec COMPONENTS c) or pkg-config.
# As a component of its own: `cmake --install BUILD --component c`, as tools/make_wheel.py does.
install(TARGETS mec_c EXPORT mecCTargets LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT c NAMELINK_COMPONENT dev)
install(TARGETS mec_c_static EXPORT mecTargets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(FILES include/mec.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
# Python scripts that need no mec: weights on their way in and out.
install(PROGRAMS tools/pth_to_safetensors.py tools/safetensors_to_detectron2.py
  DESTINATION "${CMAKE_INSTALL_DATADIR}/mec" COMPONENT program)
# Fortran's module, as source: a compiled one is of one compiler alone.
install(FILES fortran/mec_c.f90 fortran/mec.f90 DESTINATION "${CMAKE_INSTALL_DATADIR}/mec/fortran")
# What libmec.a needs beside itself, for pkg-config --static.
set(pc_private "")
set(rooms ${MEC_ROOMS})
list(REVERSE rooms)
foreach(room IN LISTS rooms)
  string(APPEND pc_private "-lmec_${room} ")
endforeach()
foreach(library IN ITEMS ONEDNN:dnnl BLAS:lapacke BLAS:openblas ZLIB:z JPEG:jpeg PNG:png WEBP:webpdemux WEBP:webp TIFF:tiff GIF:gif)
  string(REGEX MATCH "(.*):(.*)" unused "${library}")
  if(MEC_HAVE_${CMAKE_MATCH_1})
    string(APPEND pc_private "-l${CMAKE_MATCH_2} ")
  endif()
endforeach()
string(APPEND pc_private "-lstdc++ -lm ${CMAKE_DL_LIBS} -lpthread")
if(MEC_HAVE_OPENMP)
  string(APPEND pc_private " ${OpenMP_CXX_FLAGS}")
endif()
file(RELATIVE_PATH pc_to_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" pc_to_prefix "${pc_to_prefix}")
configure_file(cmake/mec.pc.in mec.pc @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/mec.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

get_filename_component(onnx_folder "${MecOnnx_LIBRARY}" DIRECTORY)
if(TARGET mec_onnx AND NOT onnx_folder IN_LIST CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES)
  set_target_properties(mec_onnx PROPERTIES INSTALL_RPATH "${onnx_folder}")
endif()
foreach(module IN ITEMS mpi onnx)
  if(TARGET mec_${module})
    install(TARGETS mec_${module} LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}/mec" COMPONENT ${module})
  endif()
endforeach()

# The headers within a backend, and those of the program, are private and not installed; a backend
# is used through tensor/backend.h.
install(DIRECTORY ${MEC_ROOMS} DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/mec" FILES_MATCHING PATTERN "*.h"
  PATTERN "tensor/backends/cpu" EXCLUDE PATTERN "tensor/backends/cuda" EXCLUDE PATTERN "tensor/backends/reference" EXCLUDE)
install(FILES include/mec/all.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/mec")

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/mec")
install(EXPORT mecTargets NAMESPACE mec:: DESTINATION "${package_dir}")
install(EXPORT mecCTargets NAMESPACE mec:: DESTINATION "${package_dir}")
configure_package_config_file(cmake/mecConfig.cmake.in mecConfig.cmake INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file(mecConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/mecConfig.cmake" "${PROJECT_BINARY_DIR}/mecConfigVersion.cmake"
  cmake/FindMecBlas.cmake cmake/FindMecOneDnn.cmake cmake/FindMecWebp.cmake DESTINATION "${package_dir}")
