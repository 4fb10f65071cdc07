#include "mec/nn/sequential.h"

#include "mec/autograd/ops/elementwise.h"
#include "mec/autograd/ops/pooling.h"
#include "mec/nn/batch_norm.h"

namespace mec {

Variable ReLU::forward(const Variable& x, const Pass&) const { return relu(x); }

Variable MaxPool2d::forward(const Variable& x, const Pass&) const { return max_pool2d(x, args); }

Variable Sequential::forward(const Variable& x, const Pass& pass) const {
  Variable y = x;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const auto* norm = dynamic_cast<const BatchNorm*>(layers_[i].get());
    const bool relu_follows = i + 1 < layers_.size() && dynamic_cast<const ReLU*>(layers_[i + 1].get());
    if (norm && relu_follows) {
      y = norm->forward_fused(y, {.relu = true}, pass);
      ++i;
    } else {
      y = layers_[i]->forward(y, pass);
    }
  }
  return y;
}

void Sequential::visit(const std::string& prefix, Visitor& visitor) {
  for (std::size_t i = 0; i < layers_.size(); ++i) layers_[i]->visit(prefix + std::to_string(i) + ".", visitor);
}

}  // namespace mec
