// What oneDNN gets wrong never reaches it, and no more than that is kept from it. That the entries
// are needed, cpu_convolutions.cpp shows.
#include "mec/tensor/backends/cpu/onednn_defects.h"

#include <doctest/doctest.h>

#include <string>

using namespace mec;
using cpu::ConvDirection;

namespace {

constexpr int kDebian12 = cpu::version_number(2, 6, 3);

cpu::ConvKey strided_1x1(ConvDirection direction, std::int64_t in, std::int64_t out) {
  return {.direction = direction,
          .x = {2, 10, 12, in},
          .w = {out, 1, 1, in},
          .y = {2, 5, 6, out},
          .operands = Dtype::f32,
          .result = Dtype::f32,
          .stride = 2,
          .pad = 0,
          .dilation = 1,
          .groups = 1,
          .accumulate = false};
}

std::string defect(const cpu::ConvKey& key, const std::string& kernel, int version = kDebian12) {
  const cpu::OneDnnDefect* const found = cpu::find_defect(key, kernel, version);
  return found ? found->name : "none";
}

}  // namespace

TEST_CASE(
    "onednn: weight gradients of strided 1x1 convolutions with less than a block of channels are "
    "our own") {
  const auto gradient = [](std::int64_t in) {
    return strided_1x1(ConvDirection::grad_weight, in, 32);
  };
  const std::string past = "writes past its workspace";
  CHECK(defect(gradient(7), "jit_1x1:avx2") == past);
  CHECK(defect(gradient(8), "jit_1x1:avx2") == "none");
  CHECK(defect(gradient(15), "jit_1x1:avx512_core") == past);
  CHECK(defect(gradient(16), "jit_1x1:avx512_core") == "none");
  CHECK(defect(gradient(15), "jit_bf16_1x1:avx512_core_bf16") == past);
  CHECK(defect(gradient(7), "x64:gemm:jit") == "none");
  CHECK(defect(gradient(7), "jit_1x1:avx2", cpu::version_number(99, 0, 0)) == past);
  CHECK(defect(strided_1x1(ConvDirection::forward, 7, 32), "jit_1x1:avx2") == "none");
  cpu::ConvKey dense = gradient(7);
  dense.y = {2, 10, 12, 32};
  dense.stride = 1;
  CHECK(defect(dense, "jit_1x1:avx2") == "none");
}

TEST_CASE("onednn: bf16 1x1 convolutions that sum over an odd number of channels are our own") {
  const std::string kernel = "jit_bf16_1x1:avx512_core_bf16", odd = "loses the odd channel";
  CHECK(defect(strided_1x1(ConvDirection::grad_input, 16, 33), kernel) == odd);
  CHECK(defect(strided_1x1(ConvDirection::grad_input, 33, 16), kernel) == "none");
  CHECK(defect(strided_1x1(ConvDirection::forward, 33, 16), kernel) == odd);
  CHECK(defect(strided_1x1(ConvDirection::grad_input, 16, 33), "jit_bf16_1x1:avx512_core") ==
        "none");
}

TEST_CASE("onednn: bf16 weight gradients of images narrower than the stride are our own") {
  cpu::ConvKey key = strided_1x1(ConvDirection::grad_weight, 16, 16);
  key.w = {16, 3, 3, 16};
  key.pad = 1;
  key.stride = 3;
  key.y = {2, 4, 1, 16};
  for (const std::int64_t width : {1, 2, 3}) {
    key.x = {2, 10, width, 16};
    CHECK(defect(key, "jit_bf16:avx512_core_bf16") ==
          (width < 3 ? "reads unwritten memory" : "none"));
    CHECK(defect(key, "jit:avx512_core") == "none");
  }
}

TEST_CASE("onednn: images of 2 GiB are our own until 3.8.0, which refuses them itself") {
  cpu::ConvKey key = strided_1x1(ConvDirection::forward, 64, 1);
  key.stride = 1;
  key.x = {1, 4096, 2048, 64};  // 2^31 bytes in f32
  key.y = {1, 4096, 2048, 1};
  CHECK(defect(key, "jit_1x1:avx2") == "overflows offsets");
  CHECK(defect(key, "jit_1x1:avx2", cpu::version_number(3, 7, 9)) == "overflows offsets");
  CHECK(defect(key, "jit_1x1:avx2", cpu::version_number(3, 8, 0)) == "none");
  key.x = {2, 4096, 2047, 64};  // an image counts, not the batch
  CHECK(defect(key, "jit_1x1:avx2") == "none");
}
