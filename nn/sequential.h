// Layers one after another, and the layers without parameters.
#pragma once

#include <memory>
#include <vector>

#include "mec/nn/module.h"
#include "mec/tensor/backend.h"

namespace mec {

struct ReLU : Module {
  Variable forward(const Variable& x, const Pass& pass) const override;
  void visit(const std::string&, Visitor&) override {}
};

// (N,H,W,C) -> (N,Ho,Wo,C).
struct MaxPool2d : Module {
  explicit MaxPool2d(const Pool2dArgs& pool = {}) : args(pool) {}
  Variable forward(const Variable& x, const Pass& pass) const override;
  void visit(const std::string&, Visitor&) override {}

  Pool2dArgs args;
};

// Runs its layers in order. Every layer takes a number in the names, even one without parameters,
// as in torch.nn.Sequential: Linear, BatchNorm, ReLU, Linear have "0.weight", "1.weight",
// "3.weight". A ReLU right behind a BatchNorm is folded into it.
class Sequential : public Module {
 public:
  template <class Layer> Sequential& add(Layer layer) {
    layers_.push_back(std::make_unique<Layer>(std::move(layer)));
    return *this;
  }
  std::size_t size() const { return layers_.size(); }
  const Module& layer(std::size_t i) const { return *layers_.at(i); }

  Variable forward(const Variable& x, const Pass& pass) const override;
  void visit(const std::string& prefix, Visitor& visitor) override;

 private:
  std::vector<std::unique_ptr<Module>> layers_;
};

}  // namespace mec
