// The teacher: an exponential moving average of the online network's parameters.
#pragma once

#include <utility>
#include <vector>

#include "mec/nn/parameter_table.h"

namespace mec {

class Ema {
 public:
  // Both tables were made with the same group rules. In each group the online network has the
  // teacher's parameters first; parts that only the online network has (a predictor) are visited
  // last. ValueError names the first entry that breaks this. Both tables outlive the Ema.
  Ema(ParameterTable& teacher, const ParameterTable& online);

  // t ← c·t + (1 − c)·w, c (1) in device memory, in the parameters' dtype. DtypeError otherwise.
  // Where `when` (1), f32, is defined and 0, nothing is changed.
  void update(const Tensor& coefficient, const Tensor& when = {});

 private:
  ParameterTable& teacher_;
  // A group's part of the teacher, and the same part of the online network.
  std::vector<std::pair<Tensor, Tensor>> ranges_;
};

}  // namespace mec
