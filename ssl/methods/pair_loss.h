// The loss of a method for embeddings in memory, with its gradients: what `mec loss` prints, and
// what programs ask for that train networks of their own.
#pragma once

#include <memory>

#include "mec/ssl/methods/methods.h"

namespace mec {

class PairLoss {
 public:
  // Of settings.method; of the settings, only the method's own count. ValueError where they are out
  // of range.
  explicit PairLoss(PretrainSettings settings);

  struct Value {
    Metrics metrics;  // "loss" first
    Tensor dp, dz;    // (m,d), where asked for
  };
  // p, z (m,d), f32 or f64, which the loss is computed in: two views' embeddings, or a student's
  // and its teacher's. queue (L,d), of any length of rows, for the method that reads one (MoCo's
  // keys), undefined for others. ShapeError, DtypeError where they do not fit together; ValueError
  // for a row that is longer than 1e15 (f32) or 1e150 (f64), so that sums of squares overflow, or
  // shorter than 1e-12, where the method divides by its length; NumericalError where the loss is
  // not finite, or breaks the method's own rule.
  Value operator()(const Tensor& p, const Tensor& z, const Tensor& queue, const PairOptions& options);

  const PretrainSettings& settings() const { return settings_; }

 private:
  // The settings for so many rows of a width, beside so many queued keys.
  PretrainSettings sized(std::int64_t rows, std::int64_t width, std::int64_t queued) const;
  PairObjective& objective_for(const Tensor& p, const Tensor& queue);

  PretrainSettings settings_;
  std::unique_ptr<PairObjective> objective_;  // for rows as below
  Shape rows_, queue_;
  Dtype dtype_ = Dtype::f32;
  Device device_;
};

}  // namespace mec
