#include "mec/ssl/training/scalars.h"

#include <array>

#include "mec/tensor/backend.h"

namespace mec {

StepScalars::StepScalars(Dtype dtype, const Device& device) : block_(Tensor::zeros({2}, dtype, device)) {}

void StepScalars::set(const StepValues& values) const {
  const std::array<double, 2> host{values.lr, values.ema};
  if (block_.dtype() == Dtype::f64) {
    block_.backend().upload(host.data(), block_);
    return;
  }
  std::array<float, 2> narrow{};
  for (std::size_t i = 0; i < host.size(); ++i) narrow[i] = static_cast<float>(host[i]);
  block_.backend().upload(narrow.data(), block_);
}

}  // namespace mec
