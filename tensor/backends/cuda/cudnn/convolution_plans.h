// Convolutions through cuDNN: for each key the engine is chosen once, by cuDNN's heuristics or by
// timing, and remembered. No cuDNN type shows here.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "mec/tensor/backends/cuda/cudnn/convolution_key.h"
#include "mec/tensor/backends/cuda/cudnn/cudnn_stream.h"
#include "mec/tensor/backends/cuda/cudnn/device_properties.h"
#include "mec/tensor/backends/cuda/cudnn/plan_choices.h"

namespace mec::cuda {

// What cuDNN notes about an engine.
struct EngineNotes {
  bool deterministic = true;
  bool tensor_core = false;
  bool converts_down = false;      // operands are rounded to a smaller type
  bool reduced_reduction = false;  // sums are kept in a smaller type than asked for
  bool runtime_compiled = false;   // compiled for the device when the plan is made
};

// Device memory, in the order of the kernels' members: x, w, y | dy, w, dx | dy, x, dw.
struct ConvolutionPointers {
  const void* first;
  const void* second;
  void* result;
};

class ConvolutionPlan {
 public:
  struct Impl;
  explicit ConvolutionPlan(std::unique_ptr<Impl> impl);
  ~ConvolutionPlan();

  const ConvolutionKey& key() const;
  const EngineChoice& choice() const;
  const EngineNotes& notes() const;
  std::int64_t workspace_bytes() const;
  // What cuDNN understood, as its own JSON: the tensors, the operation, the device and the engine.
  std::string describe() const;
  // The tensors of that operation to which ConvolutionPointers point, in their order.
  std::array<std::int64_t, 3> operand_ids() const;
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// Starts the convolution. workspace holds plan.workspace_bytes(). ValueError where a pointer is not
// aligned as the plan was promised; DeviceError where cuDNN fails.
void execute(const ConvolutionPlan& plan, const ConvolutionPointers& pointers, void* workspace, const CudnnStream& stream);

// Runs a plan once and returns how many milliseconds it took; a DeviceError rules the plan out.
// Times differ from run to run, and results of two engines differ in their bits: to get the bits of
// an earlier run, take over its choices (PlanChoices).
using PlanTimer = std::function<double(const ConvolutionPlan&)>;

struct PlanOptions {
  // Bytes; an engine that wants more is not taken.
  std::int64_t workspace_cap = std::int64_t{256} << 20;
  int candidates = 12;                                   // this many engines are timed,
  int warm_ups = 2;                                      // each after this many runs,
  int timed_runs = 5;                                    // by the median of this many
};

// One engine that cuDNN proposed and the rules of the key allow.
struct PlanCandidate {
  EngineChoice choice;
  EngineNotes notes;
  std::int64_t workspace = 0;             // bytes
  std::unique_ptr<ConvolutionPlan> plan;  // null where cuDNN could not finish it,
  std::string refusal;                    // for this reason
  double milliseconds = -1;               // where it was timed
};

class ConvolutionPlans {
 public:
  // Without a timer (in tests, short runs, on machines without a device) the first plan that can be
  // finished is taken.
  explicit ConvolutionPlans(DeviceProperties device, const PlanOptions& options = {}, PlanTimer timer = {});

  // Made on first demand (never while a step is captured: a timer synchronises). DeviceError, with
  // what was refused and why, where no engine does it.
  const ConvolutionPlan& plan(const ConvolutionKey& key);
  // The same, null where no engine does it.
  const ConvolutionPlan* find(const ConvolutionKey& key);

  // Engines that the key's rules and the cap on the workspace allow, cuDNN's favourite first, until
  // `most` are finished.
  std::vector<PlanCandidate> candidates(const ConvolutionKey& key, int most) const;

  // The dtype that dw must have in a plan of this key. It is f32, the dtype of weights' gradients,
  // where an engine can write that, and else the operands' dtype: the result is then widened as it
  // is added. (cuDNN 9.19 has none from bf16 to f32.)
  Dtype grad_weight_dtype(ConvolutionKey key);

  std::int64_t largest_workspace() const;  // of the plans made so far, bytes
  const DeviceProperties& device() const { return device_; }
  PlanChoices& choices() { return choices_; }

 private:
  std::unique_ptr<ConvolutionPlan> make(const ConvolutionKey& key, std::string& why_not);
  std::unique_ptr<ConvolutionPlan> remembered(const ConvolutionKey& key);
  void time(std::vector<PlanCandidate>& candidates) const;

  DeviceProperties device_;
  PlanOptions options_;
  PlanTimer timer_;
  PlanChoices choices_;
  std::unordered_map<ConvolutionKey, std::unique_ptr<ConvolutionPlan>, ConvolutionKeyHash> plans_;  // null: there is none
  std::unordered_map<ConvolutionKey, std::string, ConvolutionKeyHash> refusals_;
};

}  // namespace mec::cuda
