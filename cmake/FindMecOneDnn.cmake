# oneDNN: the target DNNL::dnnl. Its own CMake package asks for the C half of OpenMP, hence for a C
# compiler; the library and one header are all we need, and every distribution puts them in the
# usual place.
find_path(MecOneDnn_INCLUDE_DIR oneapi/dnnl/dnnl.hpp)
find_library(MecOneDnn_LIBRARY dnnl)
mark_as_advanced(MecOneDnn_INCLUDE_DIR MecOneDnn_LIBRARY)
if(MecOneDnn_INCLUDE_DIR)
  file(STRINGS "${MecOneDnn_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h" lines REGEX "define DNNL_VERSION_(MAJ|MIN|PAT)")
  string(REGEX MATCHALL "[0-9]+" MecOneDnn_VERSION "${lines}")
  string(REPLACE ";" "." MecOneDnn_VERSION "${MecOneDnn_VERSION}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(MecOneDnn
  REQUIRED_VARS MecOneDnn_LIBRARY MecOneDnn_INCLUDE_DIR VERSION_VAR MecOneDnn_VERSION)

if(MecOneDnn_FOUND AND NOT TARGET DNNL::dnnl)
  add_library(DNNL::dnnl UNKNOWN IMPORTED)
  set_target_properties(DNNL::dnnl PROPERTIES IMPORTED_LOCATION "${MecOneDnn_LIBRARY}"
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${MecOneDnn_INCLUDE_DIR}"
    INTERFACE_INCLUDE_DIRECTORIES "${MecOneDnn_INCLUDE_DIR}")
  # RPATH, not RUNPATH: see FindMecBlas.cmake.
  if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    target_link_options(DNNL::dnnl INTERFACE "LINKER:--disable-new-dtags")
  endif()
endif()
