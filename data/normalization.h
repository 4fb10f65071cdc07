// Mean and standard deviation that images are normalised with.
#pragma once

#include <string>
#include <vector>

namespace mec {

// Of pixel values scaled to [0, 1], one entry for each channel: y = (x − mean)/std.
struct Normalization {
  std::vector<float> mean;
  std::vector<float> std;
  bool operator==(const Normalization&) const = default;

  // For images that were converted to 1 or 3 channels: one value is repeated, three are averaged.
  // ValueError for others.
  Normalization for_channels(int channels) const;
};

// y = scale·x + shift for a value x in [0, 255].
struct PixelScale {
  float scale = 1.0F;
  float shift = 0.0F;
};
PixelScale pixel_scale(const Normalization& normalization, int channel);

// ValueError unless there are `channels` finite means and as many positive deviations.
void validate(const Normalization& normalization, int channels);

}  // namespace mec
