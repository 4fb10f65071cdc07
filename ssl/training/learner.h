// Learner: everything that training changes.
#pragma once

#include <memory>

#include "mec/distributed/sync_batch_norm.h"
#include "mec/nn/ema.h"
#include "mec/nn/optim/optimizer.h"
#include "mec/nn/parameter_table.h"
#include "mec/ssl/training/gradient_sums.h"
#include "mec/ssl/training/networks.h"

namespace mec {

struct LearnerOptions {
  ModelSettings model;
  TrainSettings train;                               // optimiser, seed, precision
  std::int64_t in_channels = 3;                      // of the images' files
  bool ema_teacher = true;                           // as the objective says; without one there is no second network
  std::optional<ClassifierOptions> classifier = {};  // where the objective learns from labels
  Dtype parameters = Dtype::f32;
  CommunicatorPtr ranks = one_process();  // each has a learner of its own, with the same state
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

  Dtype activations;                            // dtype in which images enter the networks
  std::int64_t accumulate;                      // equal parts in which a batch passes through the networks
  OnNonfinite on_nonfinite;                     // a setting of the run
  CommunicatorPtr ranks;                        // each has an equal part of the rows of every batch
  std::optional<ClassifierOptions> classifier;  // of the online network, in place of projector and predictor
  std::unique_ptr<SyncBatchNorm> across;        // null where each rank normalises by its own rows
  OnlineNetwork online;
  ParameterTable parameters;         // of online
  std::unique_ptr<Teacher> teacher;  // null where the objective needs none
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<GradientSums> sums;  // of parameters; null on one rank
};

}  // namespace mec
