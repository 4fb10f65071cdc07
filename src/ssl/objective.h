// Objective: from the embeddings of students and teachers to a loss and its gradients. The seam that every method implements.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "mec/ssl/scalars.h"
#include "mec/tensor/tensor.h"

namespace mec {

struct StudentView {
  std::int64_t view = 0;  // which view of the batch
  Tensor embedding;       // (m,d) f32 (f64 in tests)
};

struct ObjectiveResult {
  std::vector<Tensor> gradients;  // one per student view given, of the loss's part that they carry
  std::vector<Tensor> records;    // figures in device memory, read later by summarize()
};

using Metrics = std::vector<std::pair<std::string, double>>;

class Objective {
 public:
  virtual ~Objective() = default;
  virtual std::string name() const = 0;

  // Whether the loss is a sum of parts with one student view each, so that views can be embedded, and their activations freed, one at a
  // time with the same result.
  virtual bool view_by_view() const = 0;

  // Loss and gradients for the given students, out of teachers.size() views in all; teachers carry no gradient.
  virtual ObjectiveResult operator()(const std::vector<StudentView>& students, const std::vector<Tensor>& teachers,
                                     const StepScalars& scalars) const = 0;

  // The step's metrics from all its records, read back: "loss" first, then what the method measures.
  virtual Metrics summarize(const std::vector<std::vector<double>>& records) const = 0;

  // Throws NumericalError where the metrics break the method's own rule, such as a series that does not converge.
  virtual void check_step(const Metrics&) const {}
};

}  // namespace mec
