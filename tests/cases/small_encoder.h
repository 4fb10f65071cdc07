// What tests of the program on images need: an encoder and pictures, both small.
#pragma once

#include <filesystem>
#include <string>

#include "data/fixtures.h"
#include "mec/nn/files/weights.h"
#include "mec/nn/files/weights_info.h"
#include "mec/nn/initialize.h"
#include "mec/nn/resnet.h"
#include "mec/tensor/devices.h"

namespace mec::test {

// An untrained ResNet-10 of width 8 for 32 pixels; features are 64 wide. Returns its path.
inline std::string write_small_encoder(const TempFolder& folder, std::int64_t channels = 3) {
  const auto count = static_cast<std::size_t>(channels);
  const WeightsInfo info{
      .encoder = {.arch = "resnet10", .width = 8, .in_channels = channels, .stem = Stem::cifar},
      .image_size = 32,
      .mean = std::vector<double>(count, 0.5),
      .std = std::vector<double>(count, 0.25)};
  ResNet encoder(info.encoder, make_reference_device());
  initialize(encoder, 0);
  const std::string path = (folder / concat("enc", channels, ".safetensors")).string();
  save_weights(path, encoder, to_metadata(info));
  return path;
}

struct Color {
  std::uint8_t red = 0, green = 0, blue = 0;
};

// A PNG of 8x8 pixels of about this colour; another `variant` has other ones.
inline std::string make_picture(const Color& color, std::uint64_t variant) {
  const Image noise = random_image({8, 8}, 3, variant);
  const std::uint8_t base[3] = {color.red, color.green, color.blue};
  std::vector<std::uint8_t> pixels;
  for (std::size_t i = 0; i < noise.pixels.size(); ++i) {
    pixels.push_back(static_cast<std::uint8_t>(base[i % 3] + noise.pixels[i] % 16));
  }
  return make_png(8, 8, pixels);
}

// `count` pictures of a colour in a folder.
inline void write_pictures(const std::filesystem::path& folder, const Color& color, int count) {
  for (int i = 0; i < count; ++i) {
    write_bytes(folder / concat(i, ".png"), make_picture(color, static_cast<std::uint64_t>(i)));
  }
}

}  // namespace mec::test
