// The two networks that methods are made of: online = encoder, projector, predictor; teacher =
// encoder, projector.
#pragma once

#include <optional>

#include "mec/nn/resnet.h"
#include "mec/nn/sequential.h"
#include "mec/ssl/settings.h"

namespace mec {

struct ProjectorOptions {
  std::int64_t in = 0, hidden = 0, dim = 0;
  std::int64_t layers = 3;
  bool norm = true, output_norm = true;
};
// (Linear-BN-ReLU)ⁿ⁻¹, Linear-BN without γ and β; either norm may be left out. A Linear has a bias
// only where no norm follows: a norm would cancel it. (The official MEC code has a frozen bias
// before its last norm.) ValueError for no layer.
Sequential make_projector(const ProjectorOptions& options, const Placement& where);
// Linear(d,h)-BN-ReLU, Linear(h,d) with bias; or cosines with prototypes; or nothing.
Sequential make_predictor(const ModelSettings& settings, const Placement& where);

// What stands behind the encoder where it learns from labels, in place of projector and predictor.
struct ClassifierOptions {
  std::int64_t classes = 0;
  bool norm = false;  // a batch norm without γ and β before the linear layer
};
// [BN (ε = 1e-6),] Linear(in, classes), which starts from N(0, 0.01²) with biases of 0: the head of
// MEC's linear evaluation (github.com/xinliu20/MEC, benchmarks/linearprob/main_lincls.py).
Sequential make_classifier(std::int64_t in, const ClassifierOptions& options, const Placement& where);

// That of a run; none where its method learns without labels.
std::optional<ClassifierOptions> classifier_of(const PretrainSettings& settings, std::int64_t classes);

// Where there is a classifier, the projector is empty: projections are the encoder's features.
class TeacherNetwork : public Module {
 public:
  TeacherNetwork(const ModelSettings& settings, std::int64_t in_channels, const Placement& where, bool has_projector = true);

  Variable forward(const Variable& x, const Pass& pass) const override;  // (N,H,W,C) -> (N,d)
  void visit(const std::string& prefix, Visitor& visitor) override;      // "encoder.…", "projector.…"

  ResNet encoder;
  Sequential projector;
};

// The predictor, or the classifier in its place, is visited last: the teacher's parameters are then
// the first of the online network's, as Ema requires.
class OnlineNetwork : public TeacherNetwork {
 public:
  OnlineNetwork(const ModelSettings& settings, std::int64_t in_channels, const Placement& where,
                const std::optional<ClassifierOptions>& classifier = {});

  // (N,H,W,C) -> (N,d), or (N,K) with K prototypes or classes.
  Variable forward(const Variable& x, const Pass& pass) const override;
  Variable project(const Variable& x, const Pass& pass) const { return TeacherNetwork::forward(x, pass); }
  void visit(const std::string& prefix, Visitor& visitor) override;  // …, "predictor.…"

  Sequential predictor;
};

}  // namespace mec
