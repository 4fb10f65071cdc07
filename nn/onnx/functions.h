// What the module mec_onnx offers. It alone is linked to ONNX's library and protobuf, and is opened
// where a file is to be written. No exception crosses.
#pragma once

#include <cstddef>

#include "mec/nn/onnx/onnx_graph.h"

namespace mec {

// Checks the model with ONNX's checker and hands its bytes to take(to, bytes, count), once. Null,
// or why it failed. `size` is sizeof(OnnxGraph) in the caller.
using SerializeOnnx = const char* (*)(const OnnxGraph* graph, std::size_t size, void (*take)(void*, const char*, std::size_t),
                                      void* to);

// The module's only symbol. Its number rises when the graph changes.
inline constexpr const char* kSerializeOnnxSymbol = "mec_serialize_onnx_1";

}  // namespace mec
