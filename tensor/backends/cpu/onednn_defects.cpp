#include "mec/tensor/backends/cpu/onednn_defects.h"

#include <limits>

namespace mec::cpu {
namespace {

bool begins(const std::string& kernel, const char* start) { return kernel.rfind(start, 0) == 0; }

// A strided 1x1 kernel copies the pixels that it reads into its workspace. The weight gradient
// counts a whole block of channels for each pixel there, but memory was reserved for the image's
// channels only. With fewer channels than a block, it writes past the end, over memory on which
// other threads wait. The sums are wrong, differently each time, or it hangs.
bool writes_past_workspace(const ConvKey& key, const std::string& kernel) {
  if (!begins(kernel, "jit_1x1:") && !begins(kernel, "jit_bf16_1x1:")) return false;
  const std::int64_t block = kernel.find("avx512") == std::string::npos ? 8 : 16;
  return key.direction == ConvDirection::grad_weight && key.stride > 1 && key.x[3] < block;
}

// The kernel multiplies pairs of channels. With an odd number of channels it puts the last pair
// together in register 30, which holds weights when it takes 30 pixels at a time (images of 5x6 or
// 10x12, among others).
bool loses_the_odd_channel(const ConvKey& key, const std::string& kernel) {
  if (!begins(kernel, "jit_bf16_1x1:avx512_core_bf16")) return false;
  const bool forward = key.direction == ConvDirection::forward,
             grad_input = key.direction == ConvDirection::grad_input;
  return (forward && key.x[3] % 2 != 0) || (grad_input && key.y[3] % 2 != 0);
}

// The weight gradient sorts each row's pixels by their column modulo the stride. A row that is
// shorter than the stride leaves some remainders without a pixel, and their memory unwritten: zero
// times that memory is NaN where it held NaN.
bool reads_unwritten_memory(const ConvKey& key, const std::string& kernel) {
  return begins(kernel, "jit_bf16:") && key.direction == ConvDirection::grad_weight &&
         key.x[2] < key.stride;
}

// Offsets within an image are kept in 32 bits.
bool overflows_offsets(const ConvKey& key, const std::string&) {
  const auto bytes = [](const Shape& image) {
    return 4.0 * static_cast<double>(image.numel()) / static_cast<double>(image[0]);
  };
  constexpr double most = std::numeric_limits<std::int32_t>::max();
  return bytes(key.x) > most || bytes(key.y) > most;
}

constexpr int kNoVersionYet = std::numeric_limits<int>::max();

// Issues and pull requests of github.com/uxlfoundation/oneDNN. The defects that are not reported
// were found by tests/tensor/cpu_convolutions.cpp, which fails without any one of the first three
// entries.
const OneDnnDefect kDefects[] = {
    {"writes past its workspace", kNoVersionYet, writes_past_workspace},  // issue 6035
    {"loses the odd channel", kNoVersionYet, loses_the_odd_channel},      // not reported
    {"reads unwritten memory", kNoVersionYet, reads_unwritten_memory},    // not reported
    {"overflows offsets", version_number(3, 8, 0), overflows_offsets},  // pull requests 2387, 2627
};

}  // namespace

const OneDnnDefect* find_defect(const ConvKey& key, const std::string& kernel, int version) {
  for (const OneDnnDefect& defect : kDefects) {
    if (version < defect.fixed_in && defect.concerns(key, kernel)) return &defect;
  }
  return nullptr;
}

}  // namespace mec::cpu
