// The two networks of the official recipe (MEC, section 3.3): online = encoder, projector, predictor; teacher = encoder, projector.
#pragma once

#include "mec/nn/resnet.h"
#include "mec/nn/sequential.h"
#include "mec/ssl/settings.h"

namespace mec {

// Linear(in,h)-BN-ReLU, Linear(h,h)-BN-ReLU, Linear(h,d)-BN without γ and β. The official last Linear has a frozen bias, which the BN after it
// removes; here it has none.
Sequential make_projector(std::int64_t in, std::int64_t hidden, std::int64_t dim, const Placement& where);
// Linear(d,h)-BN-ReLU, Linear(h,d) with bias.
Sequential make_predictor(std::int64_t dim, std::int64_t hidden, const Placement& where);

class TeacherNetwork : public Module {
 public:
  TeacherNetwork(const ModelSettings& settings, std::int64_t in_channels, const Placement& where);

  Variable forward(const Variable& x, const Pass& pass) const override;  // (N,H,W,C) -> (N,d)
  void visit(const std::string& prefix, Visitor& visitor) override;      // "encoder.…", "projector.…"

  ResNet encoder;
  Sequential projector;
};

// The predictor is visited last: the teacher's parameters are then the first of the online network's, as Ema wants it.
class OnlineNetwork : public TeacherNetwork {
 public:
  OnlineNetwork(const ModelSettings& settings, std::int64_t in_channels, const Placement& where);

  Variable forward(const Variable& x, const Pass& pass) const override;  // (N,H,W,C) -> (N,d)
  void visit(const std::string& prefix, Visitor& visitor) override;      // …, "predictor.…"

  Sequential predictor;
};

}  // namespace mec
