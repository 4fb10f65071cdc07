#include "mec/tensor/backends/cuda/cudnn/cudnn_graph.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace mec::cuda {

namespace {

constexpr std::int64_t kMostEngines = 256;  // of one heuristic mode; the longest list seen has 43

// The file's name without its folder: messages do not show where the program was built.
std::string_view file_name(std::string_view path) { return path.substr(path.find_last_of('/') + 1); }

EngineChoice choice_of(const Descriptor& config, const Descriptor& engine) {
  EngineChoice choice{.engine = engine.get(CUDNN_ATTR_ENGINE_GLOBAL_INDEX), .knobs = {}};
  for (const Descriptor& knob : config.get_descriptors(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR,
                                                       CUDNN_KNOB_TYPE_COUNTS)) {
    const auto type = knob.get_list<cudnnBackendKnobType_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE);
    check<DeviceError>(type.size() == 1, "cuDNN: a knob of engine ", choice.engine, " has ", type.size(), " types");
    choice.knobs.emplace_back(type[0], knob.get(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE));
  }
  return choice;
}

EngineConfig describe(Descriptor descriptor) {
  const Descriptor engine = descriptor.get_descriptor(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  EngineChoice choice = choice_of(descriptor, engine);
  return {
      .descriptor = std::move(descriptor),
      .choice = std::move(choice),
      .numerical = engine.get_list<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE),
      .behavior = engine.get_list<cudnnBackendBehaviorNote_t>(CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE)};
}

}  // namespace

void check_cudnn(cudnnStatus_t status, const char* expression, const char* file, int line) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  std::array<char, 1024> detail{};
  cudnnGetLastErrorString(detail.data(), detail.size());
  const std::string reason = detail[0] ? concat(": ", detail.data()) : std::string();
  throw CudnnError(concat("cuDNN: ", expression, " failed with ", cudnnGetErrorString(status), reason, " (", file_name(file),
                          ":", line, ")"),
                   status);
}

Descriptor::Descriptor(cudnnBackendDescriptorType_t type) { MEC_CHECK_CUDNN(cudnnBackendCreateDescriptor(type, &handle_)); }

// A destructor cannot report an error.
void Descriptor::destroy() noexcept {
  if (handle_) static_cast<void>(cudnnBackendDestroyDescriptor(handle_));
}

Descriptor& Descriptor::set_raw(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
                                const void* values) {
  MEC_CHECK_CUDNN(cudnnBackendSetAttribute(handle_, name, type, count, values));
  return *this;
}

Descriptor& Descriptor::set(cudnnBackendAttributeName_t name, std::int64_t value) {
  return set_raw(name, CUDNN_TYPE_INT64, 1, &value);
}

Descriptor& Descriptor::set(cudnnBackendAttributeName_t name, std::span<const std::int64_t> values) {
  return set_raw(name, CUDNN_TYPE_INT64, std::ssize(values), values.data());
}

Descriptor& Descriptor::set(cudnnBackendAttributeName_t name, const Descriptor& value) {
  return set_raw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value.handle_);
}

Descriptor& Descriptor::set(cudnnBackendAttributeName_t name, std::span<const Descriptor> values) {
  std::vector<cudnnBackendDescriptor_t> handles;
  for (const Descriptor& value : values) handles.push_back(value.handle_);
  return set_raw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::ssize(handles), handles.data());
}

Descriptor& Descriptor::set(cudnnBackendAttributeName_t name, std::span<void* const> values) {
  return set_raw(name, CUDNN_TYPE_VOID_PTR, std::ssize(values), values.data());
}

Descriptor& Descriptor::set(cudnnBackendAttributeName_t name, const std::string& text) {
  return set_raw(name, CUDNN_TYPE_CHAR, std::ssize(text), text.data());
}

Descriptor& Descriptor::finalize() {
  MEC_CHECK_CUDNN(cudnnBackendFinalize(handle_));
  return *this;
}

std::int64_t Descriptor::count(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type) const {
  return get_raw(name, type, 0, nullptr);
}

std::int64_t Descriptor::get_raw(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
                                 void* values) const {
  std::int64_t found = 0;
  MEC_CHECK_CUDNN(cudnnBackendGetAttribute(handle_, name, type, count, &found, values));
  return found;
}

std::int64_t Descriptor::get(cudnnBackendAttributeName_t name) const {
  std::int64_t value = 0;
  get_raw(name, CUDNN_TYPE_INT64, 1, &value);
  return value;
}

std::string Descriptor::get_text(cudnnBackendAttributeName_t name) const {
  const auto text = get_list<char>(name, CUDNN_TYPE_CHAR);
  return {text.begin(), std::find(text.begin(), text.end(), '\0')};
}

Descriptor Descriptor::get_descriptor(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type) const {
  Descriptor value(type);
  get_raw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value.handle_);
  return value;
}

std::vector<Descriptor> Descriptor::get_descriptors(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type,
                                                    std::int64_t most) const {
  // cuDNN fills descriptors that the caller has made, and says how many of them.
  std::vector<Descriptor> values;
  std::vector<cudnnBackendDescriptor_t> handles;
  for (std::int64_t i = 0; i < most; ++i) handles.push_back(values.emplace_back(type).handle_);
  const std::int64_t found = get_raw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, most, handles.data());
  values.erase(values.begin() + std::min(found, most), values.end());
  return values;
}

bool EngineConfig::has(cudnnBackendNumericalNote_t note) const { return std::ranges::find(numerical, note) != numerical.end(); }
bool EngineConfig::has(cudnnBackendBehaviorNote_t note) const { return std::ranges::find(behavior, note) != behavior.end(); }

Descriptor make_tensor(const TensorDesc& desc) {
  Descriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, desc.id)
      .set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, desc.type)
      .set(CUDNN_ATTR_TENSOR_DIMENSIONS, desc.sizes)
      .set(CUDNN_ATTR_TENSOR_STRIDES, desc.strides)
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, desc.alignment)
      .finalize();
  return tensor;
}

Descriptor make_convolution(const ConvolutionDesc& desc) {
  const std::array<std::int64_t, 2> stride{desc.stride, desc.stride}, pad{desc.pad, desc.pad},
      dilation{desc.dilation, desc.dilation};
  Descriptor convolution(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  convolution.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, desc.compute)
      .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION)
      .set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, std::int64_t{2})
      .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, stride)
      .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, pad)
      .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, pad)
      .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, dilation)
      .finalize();
  return convolution;
}

Descriptor make_operation_graph(const Descriptor& operation) {
  Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation).finalize();
  return graph;
}

std::vector<EngineConfig> ask_heuristics(const Descriptor& graph, cudnnBackendHeurMode_t mode, const Descriptor& device) {
  Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)
      .set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode)
      .set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device);
  try {
    heuristics.finalize();
  } catch (const CudnnError& error) {
    if (error.unsupported()) return {};
    throw;
  }
  std::vector<EngineConfig> configs;
  for (Descriptor& config :
       heuristics.get_descriptors(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, kMostEngines)) {
    configs.push_back(describe(std::move(config)));
  }
  return configs;
}

EngineConfig make_engine_config(const Descriptor& graph, const EngineChoice& choice, const Descriptor& device) {
  Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  engine.set(CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph)
      .set(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, choice.engine)
      .set(CUDNN_ATTR_ENGINE_DEVICEPROP, device)
      .finalize();
  std::vector<Descriptor> knobs;
  for (const auto& [type, value] : choice.knobs) {
    knobs.emplace_back(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR)
        .set(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, static_cast<cudnnBackendKnobType_t>(type))
        .set(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, value)
        .finalize();
  }
  Descriptor config(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  config.set(CUDNN_ATTR_ENGINECFG_ENGINE, engine).set(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, knobs).finalize();
  return describe(std::move(config));
}

Descriptor make_plan(const EngineConfig& config, const Descriptor& device) {
  Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config.descriptor)
      .set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, device)
      .finalize();
  return plan;
}

Descriptor make_variant_pack(std::span<const std::int64_t> ids, std::span<void* const> pointers, void* workspace) {
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, ids)
      .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, pointers)
      .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace)
      .finalize();
  return pack;
}

}  // namespace mec::cuda
