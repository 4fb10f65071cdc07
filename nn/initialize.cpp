#include "mec/nn/initialize.h"

#include <cmath>

#include "mec/nn/layout.h"
#include "mec/tensor/fnv1a.h"
#include "mec/tensor/ops/elementwise.h"
#include "mec/tensor/philox.h"

namespace mec {

namespace {

Tensor draw(const Parameter& parameter, std::uint64_t seed, const std::string& name) {
  const Tensor& data = parameter.value.data();
  const double value = parameter.init.value;
  if (parameter.init.kind == Initializer::Kind::constant) return Tensor::full(data.shape(), value, data.dtype(), data.device());

  const std::uint64_t hash = fnv1a(name);  // selects the parameter's random stream
  RandomArgs args{.seed = seed,
                  .stream = {static_cast<std::uint32_t>(hash), static_cast<std::uint32_t>(hash >> 32),
                             static_cast<std::uint32_t>(Purpose::init) << 16}};
  if (parameter.init.kind == Initializer::Kind::normal) {
    args.scale = value;
  } else {
    args.distribution = Distribution::uniform;
    args.scale = 2 * value;
    args.shift = -value;
  }
  if (!parameter.file_channels) return random(data.shape(), data.dtype(), data.device(), args);
  // Drawn in the shape that files have, then padded: the values do not depend on how many channels
  // the device stores.
  const Shape shape = with_channels(data.shape(), parameter.file_channels);
  return with_channels(random(shape, data.dtype(), data.device(), args), data.dim(-1));
}

}  // namespace

void initialize(Module& module, std::uint64_t seed, const std::string& prefix) {
  for (auto& [name, parameter] : parameters_of(module, prefix)) parameter.value.assign(draw(parameter, seed, name));
}

Initializer kaiming_normal(const Shape& weight) {
  const auto fan_out = static_cast<double>(weight.dim(0) * weight.dim(1) * weight.dim(2));
  return {Initializer::Kind::normal, std::sqrt(2.0 / fan_out)};
}

Initializer fan_in_uniform(std::int64_t fan_in) {
  return {Initializer::Kind::uniform, 1.0 / std::sqrt(static_cast<double>(fan_in))};
}

}  // namespace mec
