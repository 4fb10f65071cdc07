# OpenBLAS with its cblas interface, and LAPACK through LAPACKE: the target mec::blas.
#
# OpenBLAS comes in three builds. We want the one on OpenMP, since a second pool of threads (the
# "pthread" build) would fight the first for the cores; Debian keeps each in a folder of its own,
# Fedora calls it libopenblaso.
find_path(MecBlas_INCLUDE_DIR cblas.h PATH_SUFFIXES "${CMAKE_LIBRARY_ARCHITECTURE}/openblas-openmp" openblas)
find_library(MecBlas_LIBRARY NAMES openblaso openblas
  PATH_SUFFIXES "${CMAKE_LIBRARY_ARCHITECTURE}/openblas-openmp" openblas-openmp)
find_path(MecBlas_LAPACKE_INCLUDE_DIR lapacke.h PATH_SUFFIXES openblas)
# Debian's OpenBLAS has LAPACK but not LAPACKE. Where an OpenBLAS contains LAPACKE, there is no
# separate library.
find_library(MecBlas_LAPACKE_LIBRARY NAMES lapacke)
if(MecBlas_LIBRARY AND NOT MecBlas_LAPACKE_LIBRARY)
  set(MecBlas_LAPACKE_LIBRARY "${MecBlas_LIBRARY}")
endif()
mark_as_advanced(MecBlas_INCLUDE_DIR MecBlas_LIBRARY MecBlas_LAPACKE_INCLUDE_DIR MecBlas_LAPACKE_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(MecBlas REQUIRED_VARS
  MecBlas_LIBRARY MecBlas_INCLUDE_DIR MecBlas_LAPACKE_LIBRARY MecBlas_LAPACKE_INCLUDE_DIR)

if(MecBlas_FOUND AND NOT TARGET mec::blas)
  add_library(mec::blas INTERFACE IMPORTED)
  target_include_directories(mec::blas SYSTEM INTERFACE "${MecBlas_INCLUDE_DIR}" "${MecBlas_LAPACKE_INCLUDE_DIR}")
  # OpenBLAS first: LAPACKE's own need for liblapack and libblas is then already met by it.
  target_link_libraries(mec::blas INTERFACE "${MecBlas_LIBRARY}" "${MecBlas_LAPACKE_LIBRARY}")
  # RPATH, not RUNPATH: the loader then also searches it for this library's own dependencies. So a
  # copy in a private folder (tools/setup.sh --prefix) works, and the system's default BLAS is not
  # loaded as a second OpenBLAS.
  if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    target_link_options(mec::blas INTERFACE "LINKER:--disable-new-dtags")
  endif()
endif()
