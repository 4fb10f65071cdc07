// Training written out a second time, from the meaning of each setting: what the wiring of a run is
// compared with.
//
// Layers, objectives and the drawing of views are the library's, since they have tests of their
// own. Everything between a setting and these is done here again, from formulas: which images a
// batch has, the networks' shapes, schedules, optimisers in f64, the teacher's average.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "mec/data/dataset.h"
#include "mec/ssl/methods/objective.h"
#include "mec/ssl/settings.h"

namespace mec::test {

// Values of parameters and buffers by name, as on the device: "encoder.conv1.weight", and
// "teacher.…" where there is one.
using NamedValues = std::map<std::string, std::vector<double>>;
void add_values(const std::string& prefix, Module& module, NamedValues& values);

struct PlainStep {
  double lr = 0, ema = 0;
  double eps2 = 0;    // of MEC, warm-up included
  Metrics scheduled;  // by the objective
  Metrics metrics;   // of the objective, "loss" first
};

struct PlainRun {
  std::vector<PlainStep> steps;
  bool has_teacher = false;  // that the online networks are averaged into
  NamedValues start, end;
};

// `nudged`: after each step every weight is off by half a unit of f32, which shows how far
// roundings carry in this run.
PlainRun plain_run(const PretrainSettings& settings, const DatasetPtr& dataset,
                   const Normalization& normalization, const Device& device, bool nudged = false);

// ‖a − b‖ over the way that b has come from `start`, the largest over kinds of parameters: encoder,
// projector, predictor and teacher each apart, matrices apart from vectors. Infinite where names or
// sizes differ.
double distance(const NamedValues& a, const PlainRun& b);

}  // namespace mec::test
