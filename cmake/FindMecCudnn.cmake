# cuDNN: MecCudnn_INCLUDE_DIR and MecCudnn_LIBRARY. It has no CMake package, and lies in the CUDA
# toolkit or in a folder of its own (CUDNN_PATH).
find_package(CUDAToolkit QUIET)
find_path(MecCudnn_INCLUDE_DIR cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS} ENV CUDNN_PATH PATH_SUFFIXES include)
find_library(MecCudnn_LIBRARY cudnn HINTS ${CUDAToolkit_LIBRARY_DIR} ENV CUDNN_PATH PATH_SUFFIXES lib lib64)
mark_as_advanced(MecCudnn_INCLUDE_DIR MecCudnn_LIBRARY)
if(MecCudnn_INCLUDE_DIR AND EXISTS "${MecCudnn_INCLUDE_DIR}/cudnn_version.h")
  file(STRINGS "${MecCudnn_INCLUDE_DIR}/cudnn_version.h" lines REGEX "#define CUDNN_(MAJOR|MINOR|PATCHLEVEL) ")
  string(REGEX REPLACE "[^0-9;]+" "" lines "${lines}")
  list(JOIN lines "." MecCudnn_VERSION)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(MecCudnn
  REQUIRED_VARS MecCudnn_LIBRARY MecCudnn_INCLUDE_DIR VERSION_VAR MecCudnn_VERSION)
