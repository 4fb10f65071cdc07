#include "mec/ssl/networks.h"

#include "mec/nn/batch_norm.h"
#include "mec/nn/linear.h"

namespace mec {

namespace {

ResNetConfig encoder_config(const ModelSettings& settings, std::int64_t in_channels) {
  return {.arch = settings.arch,
          .width = settings.width,
          .in_channels = in_channels,
          .stem = stem_of(settings.stem),
          .zero_init_residual = settings.zero_init_residual};
}

}  // namespace

Sequential make_projector(std::int64_t in, std::int64_t hidden, std::int64_t dim, const Placement& where) {
  Sequential layers;
  layers.add(Linear({.in = in, .out = hidden, .bias = false}, where)).add(BatchNorm({.channels = hidden}, where)).add(ReLU());
  layers.add(Linear({.in = hidden, .out = hidden, .bias = false}, where))
      .add(BatchNorm({.channels = hidden}, where))
      .add(ReLU());
  layers.add(Linear({.in = hidden, .out = dim, .bias = false}, where))
      .add(BatchNorm({.channels = dim, .affine = false}, where));
  return layers;
}

Sequential make_predictor(std::int64_t dim, std::int64_t hidden, const Placement& where) {
  Sequential layers;
  layers.add(Linear({.in = dim, .out = hidden, .bias = false}, where)).add(BatchNorm({.channels = hidden}, where)).add(ReLU());
  layers.add(Linear({.in = hidden, .out = dim}, where));
  return layers;
}

TeacherNetwork::TeacherNetwork(const ModelSettings& settings, std::int64_t in_channels, const Placement& where)
    : encoder(encoder_config(settings, in_channels), where),
      projector(make_projector(encoder.out_features(), settings.proj_hidden ? settings.proj_hidden : encoder.out_features(),
                               settings.dim, where)) {}

Variable TeacherNetwork::forward(const Variable& x, const Pass& pass) const {
  return projector.forward(encoder.forward(x, pass), pass);
}

void TeacherNetwork::visit(const std::string& prefix, Visitor& visitor) {
  encoder.visit(prefix + "encoder.", visitor);
  projector.visit(prefix + "projector.", visitor);
}

OnlineNetwork::OnlineNetwork(const ModelSettings& settings, std::int64_t in_channels, const Placement& where)
    : TeacherNetwork(settings, in_channels, where), predictor(make_predictor(settings.dim, settings.pred_hidden, where)) {}

Variable OnlineNetwork::forward(const Variable& x, const Pass& pass) const {
  return predictor.forward(TeacherNetwork::forward(x, pass), pass);
}

void OnlineNetwork::visit(const std::string& prefix, Visitor& visitor) {
  TeacherNetwork::visit(prefix, visitor);
  predictor.visit(prefix + "predictor.", visitor);
}

}  // namespace mec
