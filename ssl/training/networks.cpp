#include "mec/ssl/training/networks.h"

#include "mec/nn/batch_norm.h"
#include "mec/nn/linear.h"
#include "mec/nn/prototypes.h"
#include "mec/ssl/methods/methods.h"

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

Sequential make_projector(const ProjectorOptions& options, const Placement& where) {
  check<ValueError>(options.layers >= 1, "model.proj_layers is at least 1, but is ", options.layers);
  Sequential layers;
  std::int64_t in = options.in;
  for (std::int64_t i = 1; i < options.layers; ++i) {
    layers.add(Linear({.in = in, .out = options.hidden, .bias = !options.norm}, where));
    if (options.norm) layers.add(BatchNorm({.channels = options.hidden}, where));
    layers.add(ReLU());
    in = options.hidden;
  }
  layers.add(Linear({.in = in, .out = options.dim, .bias = !options.output_norm}, where));
  if (options.output_norm) layers.add(BatchNorm({.channels = options.dim, .affine = false}, where));
  return layers;
}

Sequential make_predictor(const ModelSettings& settings, const Placement& where) {
  check<ValueError>(settings.prototypes == 0 || settings.pred_hidden == 0,
                    "model.prototypes stand in the predictor's place, but pred_hidden is ", settings.pred_hidden,
                    "; set it to 0");
  Sequential layers;
  if (settings.prototypes > 0) layers.add(Prototypes({.in = settings.dim, .count = settings.prototypes}, where));
  if (settings.pred_hidden == 0) return layers;
  const std::int64_t hidden = settings.pred_hidden;
  layers.add(Linear({.in = settings.dim, .out = hidden, .bias = false}, where))
      .add(BatchNorm({.channels = hidden}, where))
      .add(ReLU());
  layers.add(Linear({.in = hidden, .out = settings.dim}, where));
  return layers;
}

Sequential make_classifier(std::int64_t in, const ClassifierOptions& options, const Placement& where) {
  Sequential layers;
  if (options.norm) layers.add(BatchNorm({.channels = in, .affine = false, .eps = 1e-6}, where));
  Linear linear({.in = in, .out = options.classes}, where);
  linear.weight.init = {Initializer::Kind::normal, 0.01};
  linear.bias.init = {Initializer::Kind::constant, 0.0};
  layers.add(std::move(linear));
  return layers;
}

std::optional<ClassifierOptions> classifier_of(const PretrainSettings& settings, std::int64_t classes) {
  if (!learns_from_labels(settings)) return {};
  return ClassifierOptions{.classes = classes, .norm = method_setting(settings, "head_norm") != 0};
}

TeacherNetwork::TeacherNetwork(const ModelSettings& settings, std::int64_t in_channels, const Placement& where,
                               bool has_projector)
    : encoder(encoder_config(settings, in_channels), where) {
  if (!has_projector) return;
  projector = make_projector({.in = encoder.out_features(),
                              .hidden = settings.proj_hidden ? settings.proj_hidden : encoder.out_features(),
                              .dim = settings.dim,
                              .layers = settings.proj_layers,
                              .norm = settings.proj_norm,
                              .output_norm = settings.proj_output_norm},
                             where);
}

Variable TeacherNetwork::forward(const Variable& x, const Pass& pass) const {
  return projector.forward(encoder.forward(x, pass), pass);
}

void TeacherNetwork::visit(const std::string& prefix, Visitor& visitor) {
  encoder.visit(prefix + "encoder.", visitor);
  projector.visit(prefix + "projector.", visitor);
}

OnlineNetwork::OnlineNetwork(const ModelSettings& settings, std::int64_t in_channels, const Placement& where,
                             const std::optional<ClassifierOptions>& classifier)
    : TeacherNetwork(settings, in_channels, where, !classifier),
      predictor(classifier ? make_classifier(encoder.out_features(), *classifier, where) : make_predictor(settings, where)) {}

Variable OnlineNetwork::forward(const Variable& x, const Pass& pass) const { return predictor.forward(project(x, pass), pass); }

void OnlineNetwork::visit(const std::string& prefix, Visitor& visitor) {
  TeacherNetwork::visit(prefix, visitor);
  predictor.visit(prefix + "predictor.", visitor);
}

}  // namespace mec
