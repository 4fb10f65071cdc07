// Learner: everything that training changes.
#pragma once

#include "mec/nn/ema.h"
#include "mec/nn/optim/sgd.h"
#include "mec/nn/parameter_table.h"
#include "mec/ssl/networks.h"

namespace mec {

struct LearnerOptions {
  ModelSettings model;
  TrainSettings train;           // optimiser, seed, precision
  std::int64_t in_channels = 3;  // of the images' files
  Dtype parameters = Dtype::f32;
};

class Learner {
 public:
  // Networks initialised from the seed, the teacher as a copy of the online one. ValueError for an unknown architecture, optimiser or
  // precision, or a precision that the device does not compute in.
  Learner(const LearnerOptions& options, const Device& device);

  Dtype activations;  // dtype in which images enter the networks
  OnlineNetwork online;
  TeacherNetwork teacher;
  ParameterTable parameters;          // of online
  ParameterTable teacher_parameters;  // the same names without the predictor
  Sgd optimizer;
  Ema ema;
};

}  // namespace mec
