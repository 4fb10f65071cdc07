// An encoder as a graph of ONNX's operators, in plain data; onnx_file.h makes a file of it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "mec/nn/files/weights_info.h"
#include "mec/nn/resnet.h"

namespace mec {

// ONNX 1.8 of 2020, and what ONNX Runtime 1.6, OpenVINO and TensorRT 8 read. Later operators bring
// nothing that a ResNet has.
inline constexpr std::int64_t kOnnxOpset = 13, kOnnxIr = 7;

struct OnnxTensor {
  std::string name;
  std::vector<std::int64_t> sizes;
  std::vector<float> values;
};

struct OnnxAttribute {
  std::string name;
  std::variant<std::int64_t, float, std::vector<std::int64_t>> value;
};

struct OnnxNode {
  std::string op;  // "Conv", "Relu", …; the node is named after its output
  std::vector<std::string> inputs;
  std::string output;
  std::vector<OnnxAttribute> attributes = {};
};

struct OnnxValue {
  std::string name;
  bool bytes = false;                                          // u8, else f32
  std::vector<std::variant<std::int64_t, std::string>> sizes;  // a text: of any size, "batch"
};

struct OnnxGraph {
  std::string name, about;
  OnnxValue input, output;
  std::vector<OnnxNode> nodes;  // each behind those it reads
  std::vector<OnnxTensor> tensors;
  std::map<std::string, std::string> metadata;
};

struct OnnxOptions {
  // Batch norms become part of the convolutions before them, computed in f64 and rounded once. Else
  // they stay, and every number is the weights file's, under its name.
  bool fold = true;
  // The input is u8 (batch,height,width,channels), as image files are decoded, and normalised
  // within the graph. Else it is f32 (batch,channels,height,width), normalised already.
  bool pixels = false;
  std::int64_t image_size = 0;  // pixels on a side that images must have; 0: any
};

// Images to features (batch, out_features()), in evaluation. The metadata are those of a weights
// file. ValueError for an image_size out of range, for weights above the 2 GiB that ONNX's files
// have, and where a folded weight is not finite.
OnnxGraph to_onnx_graph(ResNet& encoder, const WeightsInfo& info, const OnnxOptions& options = {});

}  // namespace mec
