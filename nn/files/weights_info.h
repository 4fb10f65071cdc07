// What a weights file says of itself, so that it can be used without knowing how it was made.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "mec/nn/resnet.h"

namespace mec {

struct WeightsInfo {
  ResNetConfig encoder;           // arch, stem, width and in_channels
  std::int64_t image_size = 224;  // side of its images in pixels, up to kMaxImageSize
  // Of each channel, in units where a pixel lies in [0,1]; the network sees (pixel − mean)/std.
  std::vector<double> mean, std;
  // What the outputs of its classifier mean, in their order; empty: it has none.
  std::vector<std::string> classes = {};
};

// Pixels on a side: more is a mistake, and would take gigabytes for each image.
inline constexpr std::int64_t kMaxImageSize = 16384;

// ValueError, with the value and the rule, unless each channel has a finite mean and a positive std
// (as f32), the network and the image size are within their limits, and classes have names of their
// own, in UTF-8.
void validate(const WeightsInfo& info);

// To and from a safetensors file's metadata. ValueError as validate().
std::map<std::string, std::string> to_metadata(const WeightsInfo& info);
// IoError, naming `file`, for a missing key, a value that cannot be read, or another version of
// this format.
WeightsInfo to_weights_info(const std::map<std::string, std::string>& metadata, const std::string& file);
WeightsInfo read_weights_info(const std::filesystem::path& path);

}  // namespace mec
