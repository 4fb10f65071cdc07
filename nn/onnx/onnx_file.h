// ONNX files.
#pragma once

#include <filesystem>

#include "mec/nn/onnx/onnx_graph.h"

namespace mec {

// Replaces the file atomically, once ONNX's own checker has passed the model. IoError where it does
// not, where the build cannot write ONNX files, and where the file cannot be written.
void write_onnx(const std::filesystem::path& path, const OnnxGraph& graph);

}  // namespace mec
