// Random tensors and a message check for tests of graphs and layers.
#pragma once

#include <doctest/doctest.h>

#include <string>

#include "mec/tensor/ops/elementwise.h"

namespace mec::test {

// Standard normal, the same for every device.
inline Tensor normal(const Shape& shape, const Device& device, std::uint32_t stream = 0, Dtype dtype = Dtype::f64) {
  return random(shape, dtype, device, {.seed = 7, .stream = {stream, static_cast<std::uint32_t>(Purpose::test) << 16, 0}});
}

// The message of the E that f throws; fails the test when f throws none.
template <class E, class F> std::string message_of(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  FAIL("nothing was thrown");
  return {};
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace mec::test
