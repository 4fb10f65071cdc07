// An encoder with torchvision's linear layer behind it: a network that says what images show.
#pragma once

#include "mec/nn/linear.h"
#include "mec/nn/resnet.h"

namespace mec {

// Images (N,H,W,C) to logits (N,K), under torchvision's names: the encoder's, "fc.weight" and
// "fc.bias".
struct Classifier : Module {
  // Parameters need load_weights() or copy_state().
  Classifier(const ResNetConfig& config, std::int64_t classes, const Placement& where);
  // Of layers that are there; shares their values.
  Classifier(ResNet encoder_in, Linear fc_in) : encoder(std::move(encoder_in)), fc(std::move(fc_in)) {}

  Variable forward(const Variable& x, const Pass& pass) const override { return fc.forward(encoder.forward(x, pass), pass); }
  void visit(const std::string& prefix, Visitor& visitor) override;

  ResNet encoder;
  Linear fc;
};

// The linear layer that does what a batch norm in evaluation and the linear layer behind it do.
// The norm has neither γ nor β.
Linear fold_norm(const BatchNorm& norm, const Linear& linear);

}  // namespace mec
