// ONNX files.
#pragma once

#include <string>

#include "mec/nn/onnx/onnx_graph.h"

namespace mec {

// The bytes of a file, which ONNX's own checker has passed. IoError where it does not, and where
// the build or the installation cannot make ONNX files.
std::string to_onnx_file(const OnnxGraph& graph);

}  // namespace mec
