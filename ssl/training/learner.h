// Learner: everything that training changes.
#pragma once

#include <memory>

#include "mec/nn/ema.h"
#include "mec/nn/optim/optimizer.h"
#include "mec/nn/parameter_table.h"
#include "mec/ssl/training/networks.h"

namespace mec {

struct LearnerOptions {
  ModelSettings model;
  TrainSettings train;           // optimiser, seed, precision
  std::int64_t in_channels = 3;  // of the images' files
  bool ema_teacher = true;       // as the objective says; without one there is no second network
  Dtype parameters = Dtype::f32;
};

// The averaged copy of encoder and projector. Its parameters are the first of the online network's,
// under the same names.
struct Teacher {
  Teacher(const LearnerOptions& options, OnlineNetwork& online, const ParameterTable& online_parameters, const Device& device);

  TeacherNetwork network;
  ParameterTable parameters;
  Ema ema;
};

class Learner {
 public:
  // Networks initialised from the seed, the teacher as a copy of the online one. ValueError for an
  // unknown architecture, optimiser or precision, or a precision that the device does not compute
  // in.
  Learner(const LearnerOptions& options, const Device& device);

  Dtype activations;  // dtype in which images enter the networks
  OnNonfinite on_nonfinite;  // a setting of the run
  OnlineNetwork online;
  ParameterTable parameters;         // of online
  std::unique_ptr<Teacher> teacher;  // null where the objective needs none
  std::unique_ptr<Optimizer> optimizer;
};

}  // namespace mec
