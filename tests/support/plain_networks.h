// The networks of a plain run, layer by layer, and how a batch passes through them in parts.
#pragma once

#include <vector>

#include "mec/autograd/ops.h"
#include "mec/nn/batch_norm.h"
#include "mec/nn/linear.h"
#include "mec/nn/prototypes.h"
#include "mec/nn/resnet.h"
#include "mec/nn/sequential.h"
#include "mec/ssl/settings.h"
#include "mec/tensor/ops.h"

namespace mec::test {

struct Networks : Module {
  Networks(const ModelSettings& m, std::int64_t channels, const Device& device)
      : encoder({.arch = m.arch,
                 .width = m.width,
                 .in_channels = channels,
                 .stem = m.stem == "cifar" ? Stem::cifar : Stem::imagenet,
                 .zero_init_residual = m.zero_init_residual},
                device) {
    std::int64_t in = encoder.out_features();
    const std::int64_t hidden = m.proj_hidden == 0 ? in : m.proj_hidden;
    for (std::int64_t layer = 0; layer < m.proj_layers - 1; ++layer, in = hidden) {
      projector.add(Linear({.in = in, .out = hidden, .bias = !m.proj_norm}, device));
      if (m.proj_norm) projector.add(BatchNorm({.channels = hidden}, device));
      projector.add(ReLU());
    }
    projector.add(Linear({.in = in, .out = m.dim, .bias = !m.proj_output_norm}, device));
    if (m.proj_output_norm) projector.add(BatchNorm({.channels = m.dim, .affine = false}, device));
    if (m.prototypes > 0) predictor.add(Prototypes({.in = m.dim, .count = m.prototypes}, device));
    if (m.pred_hidden == 0) return;
    predictor.add(Linear({.in = m.dim, .out = m.pred_hidden, .bias = false}, device));
    predictor.add(BatchNorm({.channels = m.pred_hidden}, device));
    predictor.add(ReLU());
    predictor.add(Linear({.in = m.pred_hidden, .out = m.dim, .bias = true}, device));
  }
  // Stem and stages, of which the first `frozen` are as in evaluation.
  Variable encode(const Variable& x) const {
    const auto pass = [&](std::int64_t part) { return part < frozen || frozen_statistics ? kEvaluation : kTraining; };
    Variable y = encoder.stem(x, pass(0));
    for (std::int64_t stage = 0; stage < 4; ++stage) {
      for (const ResidualBlock& block : encoder.stages[static_cast<std::size_t>(stage)]) y = block.forward(y, pass(stage + 1));
    }
    return global_avg_pool(y);
  }
  Variable project(const Variable& x) const { return projector.forward(encode(x), kTraining); }
  Variable forward(const Variable& x, const Pass&) const override { return project(x); }
  void visit(const std::string& prefix, Visitor& visitor) override {
    encoder.visit(prefix + "encoder.", visitor);
    projector.visit(prefix + "projector.", visitor);
    predictor.visit(prefix + "predictor.", visitor);
  }

  ResNet encoder;
  Sequential projector, predictor;
  std::int64_t frozen = 0;
  bool frozen_statistics = false;
};

// f of each of the equal parts of a batch, each of its results joined. The running statistics are
// then the mean of what each part alone would have made of them.
template <class F>
std::vector<Variable> in_parts(Networks& networks, const Tensor& batch, std::int64_t parts, F f) {
  if (parts == 1) return f(Variable(batch));
  const std::vector<NamedBuffer> running = buffers_of(networks);
  std::vector<Tensor> before, mean;
  for (const NamedBuffer& buffer : running) {
    before.push_back(buffer.tensor.clone());
    mean.push_back(scale(buffer.tensor, 0));
  }
  std::vector<std::vector<Variable>> results;
  const std::int64_t rows = batch.dim(0) / parts;
  for (std::int64_t part = 0; part < parts; ++part) {
    for (std::size_t i = 0; i < running.size(); ++i) running[i].tensor.copy_from(before[i]);
    const std::vector<Variable> values = f(Variable(batch.rows(part * rows, part * rows + rows)));
    results.resize(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) results[i].push_back(values[i]);
    for (std::size_t i = 0; i < running.size(); ++i)
      mean[i] = add(mean[i], scale(running[i].tensor, 1.0 / static_cast<double>(parts)));
  }
  for (std::size_t i = 0; i < running.size(); ++i) running[i].tensor.copy_from(mean[i]);
  std::vector<Variable> joined;
  for (const std::vector<Variable>& result : results) joined.push_back(cat(result));
  return joined;
}

}  // namespace mec::test
