#include "mec/tensor/backends/cuda/cudnn/convolution_plans.h"

#include <algorithm>

#include "mec/tensor/backends/cuda/cudnn/cudnn_graph.h"

namespace mec::cuda {

struct ConvolutionPlan::Impl {
  ConvolutionKey key;
  EngineChoice choice;
  EngineNotes notes;
  std::int64_t workspace;
  Descriptor plan;
};

namespace {

// Names of the three tensors in cuDNN's graph.
constexpr std::int64_t kInput = 'x', kWeight = 'w', kOutput = 'y';

cudnnDataType_t cudnn_type(Dtype dtype) {
  switch (dtype) {
    case Dtype::f32: return CUDNN_DATA_FLOAT;
    case Dtype::bf16: return CUDNN_DATA_BFLOAT16;
    case Dtype::f64: return CUDNN_DATA_DOUBLE;
    default: throw DtypeError(concat("convolution: expects f32, bf16 or f64, but got ", dtype));
  }
}

// Describes a dense (A,H,W,B) to cuDNN, which lists its sizes as (A,B,H,W). Our images and weights
// both have this layout.
Descriptor channels_last(std::int64_t id, Dtype dtype, const Shape& s) {
  return make_tensor({.id = id,
                      .type = cudnn_type(dtype),
                      .sizes = {s[0], s[3], s[1], s[2]},
                      .strides = {s[1] * s[2] * s[3], 1, s[2] * s[3], s[3]},
                      .alignment = kConvolutionAlignment});
}

struct Attributes {
  cudnnBackendDescriptorType_t operation;
  cudnnBackendAttributeName_t x, w, y, convolution, alpha, beta;
};

const Attributes& attributes_of(ConvolutionDirection direction) {
  static constexpr Attributes kForward{CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
  static constexpr Attributes kGradInput{CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
  static constexpr Attributes kGradWeight{CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                                          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
  switch (direction) {
    case ConvolutionDirection::forward: return kForward;
    case ConvolutionDirection::grad_input: return kGradInput;
    default: return kGradWeight;
  }
}

Descriptor make_graph(const ConvolutionKey& key) {
  const Attributes& names = attributes_of(key.direction);
  const bool wide = key.operands == Dtype::f64;  // bf16 is summed in f32
  const Descriptor convolution = make_convolution(
      {.compute = wide ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT, .stride = key.stride, .pad = key.pad, .dilation = key.dilation});
  Descriptor operation(names.operation);
  operation.set(names.x, channels_last(kInput, key.dtype_of(ConvolutionDirection::grad_input), input_shape(key)))
      .set(names.w, channels_last(kWeight, key.dtype_of(ConvolutionDirection::grad_weight), weight_shape(key)))
      .set(names.y, channels_last(kOutput, key.dtype_of(ConvolutionDirection::forward), output_shape(key)))
      .set(names.convolution, convolution);
  const double beta = key.accumulate ? 1.0 : 0.0;
  if (wide) {
    operation.set(names.alpha, CUDNN_TYPE_DOUBLE, 1.0).set(names.beta, CUDNN_TYPE_DOUBLE, beta);
  } else {
    operation.set(names.alpha, CUDNN_TYPE_FLOAT, 1.0F).set(names.beta, CUDNN_TYPE_FLOAT, static_cast<float>(beta));
  }
  return make_operation_graph(operation.finalize());
}

EngineNotes notes_of(const EngineConfig& config) {
  return {.deterministic = !config.has(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC),
          .tensor_core = config.has(CUDNN_NUMERICAL_NOTE_TENSOR_CORE),
          .converts_down = config.has(CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS),
          .reduced_reduction = config.has(CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION),
          .runtime_compiled = config.has(CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION)};
}

// Whether the key allows such an engine. Sums are f32 whatever the operands. A tensor core
// multiplies f32 only after rounding it to TF32.
bool allowed(const ConvolutionKey& key, const EngineNotes& notes) {
  const bool strict = key.operands == Dtype::f32 && !key.tf32;
  return !notes.reduced_reduction && !(key.deterministic && !notes.deterministic) &&
         !(strict && (notes.tensor_core || notes.converts_down));
}

std::unique_ptr<ConvolutionPlan> finish(const ConvolutionKey& key, const EngineConfig& config, const Descriptor& device) {
  Descriptor plan = make_plan(config, device);
  const std::int64_t workspace = plan.get(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
  return std::make_unique<ConvolutionPlan>(std::make_unique<ConvolutionPlan::Impl>(ConvolutionPlan::Impl{
      .key = key, .choice = config.choice, .notes = notes_of(config), .workspace = workspace, .plan = std::move(plan)}));
}

void add_candidates(const ConvolutionKey& key, const Descriptor& graph, cudnnBackendHeurMode_t mode, const Descriptor& device,
                    std::int64_t cap, std::ptrdiff_t most, std::vector<PlanCandidate>& to) {
  const auto finished = [&] { return std::ranges::count_if(to, [](const auto& c) { return c.plan != nullptr; }); };
  for (const EngineConfig& config : ask_heuristics(graph, mode, device)) {
    if (finished() >= most) return;
    if (std::ranges::any_of(to, [&](const PlanCandidate& c) { return c.choice == config.choice; })) continue;
    PlanCandidate candidate{.choice = config.choice,
                            .notes = notes_of(config),
                            .workspace = config.descriptor.get(CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE),
                            .plan = nullptr,
                            .refusal = {}};
    if (!allowed(key, candidate.notes) || candidate.workspace > cap) continue;
    try {
      candidate.plan = finish(key, config, device);
      candidate.workspace = candidate.plan->workspace_bytes();
      if (candidate.workspace > cap) continue;
    } catch (const CudnnError& error) {
      candidate.refusal = error.what();
    }
    to.push_back(std::move(candidate));
  }
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::ranges::nth_element(values, middle);
  return *middle;
}

}  // namespace

ConvolutionPlan::ConvolutionPlan(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ConvolutionPlan::~ConvolutionPlan() = default;
const ConvolutionKey& ConvolutionPlan::key() const { return impl_->key; }
const EngineChoice& ConvolutionPlan::choice() const { return impl_->choice; }
const EngineNotes& ConvolutionPlan::notes() const { return impl_->notes; }
std::int64_t ConvolutionPlan::workspace_bytes() const { return impl_->workspace; }
std::string ConvolutionPlan::describe() const { return impl_->plan.get_text(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION); }

std::array<std::int64_t, 3> ConvolutionPlan::operand_ids() const {
  switch (impl_->key.direction) {
    case ConvolutionDirection::forward: return {kInput, kWeight, kOutput};
    case ConvolutionDirection::grad_input: return {kOutput, kWeight, kInput};
    default: return {kOutput, kInput, kWeight};
  }
}

void execute(const ConvolutionPlan& plan, const ConvolutionPointers& pointers, void* workspace, const CudnnStream& stream) {
  const ConvolutionPlan::Impl& impl = plan.impl();
  void* const first = const_cast<void*>(pointers.first);  // cuDNN's interface knows no const
  void* const second = const_cast<void*>(pointers.second);
  for (const void* pointer :
       {static_cast<const void*>(first), static_cast<const void*>(second), static_cast<const void*>(pointers.result)}) {
    check<ValueError>(reinterpret_cast<std::uintptr_t>(pointer) % kConvolutionAlignment == 0, "convolution: ", pointer,
                      " does not start at a multiple of ", kConvolutionAlignment, " bytes, for which the plan was made (",
                      impl.key, ")");
  }
  check<ValueError>(workspace || impl.workspace == 0, "convolution: no workspace, but the plan needs ", impl.workspace,
                    " bytes (", impl.key, ")");
  const std::array<void*, 3> data{first, second, pointers.result};
  const Descriptor pack = make_variant_pack(plan.operand_ids(), data, workspace);
  MEC_CHECK_CUDNN(cudnnBackendExecute(static_cast<cudnnHandle_t>(stream.handle()), impl.plan.handle(), pack.handle()));
}

ConvolutionPlans::ConvolutionPlans(DeviceProperties device, const PlanOptions& options, PlanTimer timer)
    : device_(std::move(device)),
      options_(options),
      timer_(std::move(timer)),
      choices_({.cudnn = cudnn_version(), .device = device_.name(), .multiprocessors = device_.multiprocessors()}) {
  check<ValueError>(options.candidates >= 1 && options.timed_runs >= 1 && options.warm_ups >= 0 && options.workspace_cap >= 0,
                    "convolution plans: at least one candidate and one timed run, and no negative number, but got ",
                    options.candidates, " candidates, ", options.timed_runs, " timed runs after ", options.warm_ups,
                    " others, and ", options.workspace_cap, " bytes of workspace");
}

std::vector<PlanCandidate> ConvolutionPlans::candidates(const ConvolutionKey& key, int most) const {
  const Descriptor graph = make_graph(key);
  std::vector<PlanCandidate> found;
  for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    add_candidates(key, graph, mode, device_.descriptor(), options_.workspace_cap, most, found);
  }
  return found;
}

void ConvolutionPlans::time(std::vector<PlanCandidate>& candidates) const {
  for (PlanCandidate& candidate : candidates) {
    if (!candidate.plan) continue;
    try {
      for (int i = 0; i < options_.warm_ups; ++i) timer_(*candidate.plan);
      std::vector<double> times;
      for (int i = 0; i < options_.timed_runs; ++i) times.push_back(timer_(*candidate.plan));
      candidate.milliseconds = median(std::move(times));
    } catch (const DeviceError& error) {
      candidate.refusal = error.what();
      candidate.plan = nullptr;
    }
  }
}

std::unique_ptr<ConvolutionPlan> ConvolutionPlans::remembered(const ConvolutionKey& key) {
  const PlanChoice* choice = choices_.find(key);
  if (!choice || (timer_ && !choice->timed())) return nullptr;
  try {
    const EngineConfig config = make_engine_config(make_graph(key), choice->engine, device_.descriptor());
    auto plan = finish(key, config, device_.descriptor());
    // The choice may come from a file, but the workspace cap is this run's.
    if (allowed(key, plan->notes()) && plan->workspace_bytes() <= options_.workspace_cap) return plan;
  } catch (const CudnnError&) {
    // cuDNN no longer makes it: choose again.
  }
  choices_.forget(key);
  return nullptr;
}

std::unique_ptr<ConvolutionPlan> ConvolutionPlans::make(const ConvolutionKey& key, std::string& why_not) {
  if (auto plan = remembered(key)) return plan;
  auto found = candidates(key, timer_ ? options_.candidates : 1);
  if (timer_) time(found);
  PlanCandidate* best = nullptr;
  for (PlanCandidate& candidate : found) {
    if (candidate.plan && (!best || candidate.milliseconds < best->milliseconds)) best = &candidate;
  }
  if (best) {
    choices_.remember(key, {.engine = best->choice, .milliseconds = best->milliseconds});
    return std::move(best->plan);
  }
  why_not = concat("convolution: cuDNN ", cudnn_version(), " has no plan on ", device_.name(), " for ", key, " within ",
                   options_.workspace_cap, " bytes of workspace");
  for (const PlanCandidate& candidate : found) why_not += concat("; engine ", candidate.choice.engine, ": ", candidate.refusal);
  return nullptr;
}

const ConvolutionPlan* ConvolutionPlans::find(const ConvolutionKey& key) {
  const auto known = plans_.find(key);
  if (known != plans_.end()) return known->second.get();
  std::string why_not;
  auto plan = make(key, why_not);
  if (!plan) refusals_[key] = why_not;
  return (plans_[key] = std::move(plan)).get();
}

const ConvolutionPlan& ConvolutionPlans::plan(const ConvolutionKey& key) {
  const ConvolutionPlan* found = find(key);
  check<DeviceError>(found != nullptr, found ? std::string() : refusals_[key]);
  return *found;
}

Dtype ConvolutionPlans::grad_weight_dtype(ConvolutionKey key) {
  key.direction = ConvolutionDirection::grad_weight;
  key.result = accumulator_of(key.operands);
  return find(key) ? key.result : key.operands;
}

std::int64_t ConvolutionPlans::largest_workspace() const {
  std::int64_t largest = 0;
  for (const auto& [key, plan] : plans_) {
    if (plan) largest = std::max(largest, plan->workspace_bytes());
  }
  return largest;
}

}  // namespace mec::cuda
