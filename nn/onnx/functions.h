// What the module mec_onnx offers. It alone is linked to ONNX's library and protobuf, and is opened
// where a file is to be written. No exception crosses.
#pragma once

#include <cstddef>

#include "mec/nn/onnx/onnx_graph.h"

namespace mec {

// What program and module must have in common, since the graph crosses as it is in memory: the
// version of mec, and that of the graph's structs, to be raised with each change of them.
inline constexpr const char* kOnnxBuild = MEC_VERSION " 1";

// Checks the model with ONNX's checker and hands its bytes to take(to, bytes, count), once. Null,
// or why it failed. `build` is the caller's kOnnxBuild.
using SerializeOnnx = const char* (*)(const OnnxGraph* graph, const char* build, void (*take)(void*, const char*, std::size_t),
                                      void* to);

// The module's only symbol. Its number rises when the signature changes.
inline constexpr const char* kSerializeOnnxSymbol = "mec_serialize_onnx_2";

}  // namespace mec
