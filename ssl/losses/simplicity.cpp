#include "mec/ssl/losses/simplicity.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "mec/data/gzip.h"

namespace mec {

namespace {

void append_quantised(const Tensor& tensor, std::vector<std::uint8_t>& bytes) {
  const auto values = tensor.to(Dtype::f64).to_vector<double>();
  if (values.empty()) return;
  for (const double value : values)
    check<ValueError>(std::isfinite(value), "simplicity: all numbers are finite, but one is ", value);
  const auto [low, high] = std::ranges::minmax(values);
  const double steps = high > low ? 256 / (high - low) : 0;
  for (const double value : values) {
    bytes.push_back(static_cast<std::uint8_t>(std::min(255.0, std::floor((value - low) * steps))));
  }
}

double entropy_of(const std::vector<std::uint8_t>& bytes) {
  std::array<double, 256> counts{};
  for (const std::uint8_t byte : bytes) ++counts[byte];
  double bits = 0;
  for (const double count : counts) {
    if (count > 0) bits -= count * std::log2(count / static_cast<double>(bytes.size()));
  }
  return bits / static_cast<double>(bytes.size());
}

}  // namespace

Deflated deflated_size(const std::vector<Tensor>& tensors) {
  std::vector<std::uint8_t> bytes;
  for (const Tensor& tensor : tensors) append_quantised(tensor, bytes);
  check<ValueError>(!bytes.empty(), "simplicity: there are no numbers to compress");
  return {.values = static_cast<std::int64_t>(bytes.size()),
          .deflated = static_cast<std::int64_t>(compress_bytes(bytes).size()),
          .entropy = entropy_of(bytes)};
}

}  // namespace mec
