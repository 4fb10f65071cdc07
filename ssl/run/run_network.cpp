#include "mec/ssl/run/run_network.h"

namespace mec {

Module& scored_network(Learner& learner) {
  if (learner.classifier) return learner.online;
  return learner.online.encoder;
}

std::unique_ptr<Module> network_of(Learner& learner) {
  const ResNet& encoder = learner.online.encoder;
  if (!learner.classifier) return std::make_unique<ResNet>(encoder);
  const Sequential& layers = learner.online.predictor;  // make_classifier()'s
  const auto& linear = dynamic_cast<const Linear&>(layers.layer(layers.size() - 1));
  if (!learner.classifier->norm) return std::make_unique<Classifier>(encoder, linear);
  return std::make_unique<Classifier>(encoder, fold_norm(dynamic_cast<const BatchNorm&>(layers.layer(0)), linear));
}

std::unique_ptr<Module> make_network(const WeightsInfo& info, const Placement& where) {
  if (info.classes.empty()) return std::make_unique<ResNet>(info.encoder, where);
  return std::make_unique<Classifier>(info.encoder, static_cast<std::int64_t>(info.classes.size()), where);
}

}  // namespace mec
