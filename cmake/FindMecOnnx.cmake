# ONNX's library, for writing and checking its files, with protobuf: the target mec::onnx. (The
# package's own CMake files ask for a library that Debian leaves out.)
find_path(MecOnnx_INCLUDE_DIR onnx/checker.h)
find_path(MecOnnx_PROTOBUF_INCLUDE_DIR google/protobuf/message.h)
find_library(MecOnnx_LIBRARY onnx)
find_library(MecOnnx_PROTO_LIBRARY onnx_proto)
find_library(MecOnnx_PROTOBUF_LIBRARY protobuf)
mark_as_advanced(MecOnnx_INCLUDE_DIR MecOnnx_PROTOBUF_INCLUDE_DIR MecOnnx_LIBRARY MecOnnx_PROTO_LIBRARY MecOnnx_PROTOBUF_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(MecOnnx REQUIRED_VARS MecOnnx_LIBRARY MecOnnx_PROTO_LIBRARY MecOnnx_PROTOBUF_LIBRARY
  MecOnnx_INCLUDE_DIR MecOnnx_PROTOBUF_INCLUDE_DIR)
if(MecOnnx_FOUND AND NOT TARGET mec::onnx)
  add_library(mec::onnx INTERFACE IMPORTED)
  set_target_properties(mec::onnx PROPERTIES
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${MecOnnx_INCLUDE_DIR};${MecOnnx_PROTOBUF_INCLUDE_DIR}"
    INTERFACE_INCLUDE_DIRECTORIES "${MecOnnx_INCLUDE_DIR};${MecOnnx_PROTOBUF_INCLUDE_DIR}"
    INTERFACE_COMPILE_DEFINITIONS "ONNX_NAMESPACE=onnx;ONNX_ML=1"
    INTERFACE_LINK_LIBRARIES "${MecOnnx_LIBRARY};${MecOnnx_PROTO_LIBRARY};${MecOnnx_PROTOBUF_LIBRARY}")
endif()
