// Golden files: what PyTorch, torchvision and scikit-learn answered to the inputs they hold.
// tools/make_golden.py makes them.
#pragma once

#include <string>
#include <vector>

#include "mec/tensor/io/safetensors.h"
#include "support/compare.h"

namespace mec::test {

// Where goldens are compared; f64 is the reference backend's alone. tests/gpu compiles the same
// tests once more, for a GPU.
struct GoldenSetting {
  const char* device;
  Dtype dtype;
};
#if MEC_GOLDENS_ON_GPU
inline constexpr GoldenSetting kGoldenSettings[] = {{"cuda", Dtype::f32}};
#else
inline constexpr GoldenSetting kGoldenSettings[] = {{"reference", Dtype::f64}, {"reference", Dtype::f32}, {"cpu", Dtype::f32}};
#endif

class Golden {
 public:
  // Reads <name>.safetensors from the folder in the environment variable MEC_GOLDEN_DIR, or else
  // from tests/golden. IoError when it is not there: a golden that is missing is a failure, not a
  // reason to skip.
  Golden(const std::string& name, const Device& device);

  // The tensor, converted; IoError when the file has none of that name.
  Tensor at(const std::string& tensor, Dtype dtype) const;
  // The metadata's entry; IoError when there is none, or when it is no number.
  std::string text(const std::string& key) const;
  double number(const std::string& key) const;
  std::int64_t integer(const std::string& key) const { return static_cast<std::int64_t>(number(key)); }

  // The tensors whose names begin with `prefix`, without it: for load_weights(), or to see that all
  // have been compared.
  SafetensorsFile part(const std::string& prefix) const;

  // `actual` against the tensor. The error allowed, relative to the largest entry of the golden's,
  // is 1e-10 in f64, and in f32 1e-4 or, where that is more, three times what PyTorch's own f32 was
  // away from its f64.
  Comparison compare(const std::string& tensor, const Tensor& actual) const;

 private:
  const Tensor& find(const std::string& tensor) const;

  std::string path_;
  SafetensorsFile file_;
};

}  // namespace mec::test
