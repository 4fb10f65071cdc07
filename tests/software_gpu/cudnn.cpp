// cuDNN's backend API: the real library, which knows what may be asked and which engines there are,
// and in place of its execution our own loops. What they compute is read back from the attributes
// that were set, once the real library had taken each of them.
#include <cudnn.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "mec/tensor/error.h"
#include "software_gpu/convolution.h"
#include "software_gpu/memory.h"
#include "software_gpu/streams.h"

using namespace mec;
using namespace mec::software_gpu;

namespace {

void* real_function(const char* name) {
  static void* const library = dlopen(MEC_REAL_CUDNN_FILE, RTLD_NOW | RTLD_LOCAL);
  check<Error>(library != nullptr, "software GPU: no cuDNN to ask: ", MEC_REAL_CUDNN_FILE);
  return dlsym(library, name);
}
#define MEC_REAL(name) reinterpret_cast<decltype(&name)>(real_function(#name))

// What was set in a descriptor; those in it are kept as they were.
struct Record;
using RecordPointer = std::shared_ptr<Record>;
struct Value {
  std::vector<std::byte> bytes = {};
  std::vector<RecordPointer> descriptors = {};
};
struct Record {
  cudnnBackendDescriptorType_t type;
  std::map<cudnnBackendAttributeName_t, Value> values = {};
  RecordPointer graph = {};  // of an engine that a heuristic named
  bool rounds = false;       // of a plan: the engine takes f32 operands to tensor cores

  const Value& at(cudnnBackendAttributeName_t name) const {
    const auto found = values.find(name);
    check<Error>(found != values.end(), "software GPU: a cuDNN descriptor lacks attribute ", static_cast<int>(name));
    return found->second;
  }
  template <class T> std::vector<T> list(cudnnBackendAttributeName_t name) const {
    const Value& value = at(name);
    std::vector<T> result(value.bytes.size() / sizeof(T));
    std::memcpy(result.data(), value.bytes.data(), result.size() * sizeof(T));
    return result;
  }
  template <class T> T one(cudnnBackendAttributeName_t name) const {
    const std::vector<T> values_there = list<T>(name);
    check<Error>(values_there.size() == 1, "software GPU: attribute ", static_cast<int>(name), " has ", values_there.size(),
                 " values, not one");
    return values_there[0];
  }
  const Record& descriptor(cudnnBackendAttributeName_t name) const { return *at(name).descriptors.at(0); }
};

struct Records {
  std::mutex mutex;
  std::map<cudnnBackendDescriptor_t, RecordPointer> all;
  RecordPointer of(cudnnBackendDescriptor_t descriptor) {
    const std::lock_guard lock(mutex);
    const auto found = all.find(descriptor);
    check<Error>(found != all.end(), "software GPU: a cuDNN descriptor that was not created, or is destroyed");
    return found->second;
  }
};
Records& records() {
  static Records& the = *new Records;
  return the;
}

std::size_t bytes_of(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE:
    case CUDNN_TYPE_VOID_PTR: return 8;
    case CUDNN_TYPE_CHAR: return 1;
    default: return 4;  // int32, float, enumerations
  }
}

Value value_of(cudnnBackendAttributeType_t type, std::int64_t count, const void* elements) {
  Value value;
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    const auto* const handles = static_cast<const cudnnBackendDescriptor_t*>(elements);
    for (std::int64_t i = 0; i < count; ++i) value.descriptors.push_back(records().of(handles[i]));
  } else {
    const auto* const first = static_cast<const std::byte*>(elements);
    value.bytes.assign(first, first + static_cast<std::size_t>(count) * bytes_of(type));
  }
  return value;
}

// Whether the engine of this configuration rounds f32 operands.
bool rounds(cudnnBackendDescriptor_t config) {
  cudnnBackendDescriptor_t engine = nullptr;
  MEC_REAL(cudnnBackendCreateDescriptor)(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine);
  std::int64_t count = 0;
  std::vector<cudnnBackendNumericalNote_t> notes(CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
  const auto get = [](auto... arguments) {
    const cudnnStatus_t status = MEC_REAL(cudnnBackendGetAttribute)(arguments...);
    check<Error>(status == CUDNN_STATUS_SUCCESS,
                 "software GPU: cuDNN does not tell an engine's notes: ", cudnnGetErrorString(status));
  };
  get(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &engine);
  get(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, std::ssize(notes), &count, notes.data());
  MEC_REAL(cudnnBackendDestroyDescriptor)(engine);
  return std::any_of(notes.begin(), notes.begin() + count, [](cudnnBackendNumericalNote_t note) {
    return note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE || note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
  });
}

const Record& graph_of(const Record& plan) {
  const Record& config = plan.descriptor(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
  if (config.graph) return *config.graph;
  return config.descriptor(CUDNN_ATTR_ENGINECFG_ENGINE).descriptor(CUDNN_ATTR_ENGINE_OPERATION_GRAPH);
}

// Where a tensor's memory is, by its number.
class Pack {
 public:
  explicit Pack(const Record& pack)
      : ids_(pack.list<std::int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS)),
        pointers_(pack.list<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS)),
        workspace_(pack.one<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE)) {}
  void* workspace() const { return workspace_; }
  StridedTensor tensor(const Record& t) const {
    const auto id = std::ranges::find(ids_, t.one<std::int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID));
    check<Error>(id != ids_.end(), "software GPU: a variant pack without one of the operation's tensors");
    void* const memory = pointers_.at(static_cast<std::size_t>(id - ids_.begin()));
    const auto alignment = static_cast<std::uintptr_t>(t.one<std::int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT));
    check<Error>(reinterpret_cast<std::uintptr_t>(memory) % alignment == 0, "software GPU: ", memory,
                 " is not aligned as its tensor promises");
    StridedTensor tensor{.dtype = dtype_of(t.one<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE)), .memory = memory};
    const auto sizes = t.list<std::int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS),
               strides = t.list<std::int64_t>(CUDNN_ATTR_TENSOR_STRIDES);
    check<Error>(sizes.size() == 4 && strides.size() == 4, "software GPU: only tensors of four dimensions are stood in for");
    std::ranges::copy(sizes, tensor.sizes.begin());
    std::ranges::copy(strides, tensor.strides.begin());
    return tensor;
  }

 private:
  static Dtype dtype_of(cudnnDataType_t type) {
    check<Error>(type == CUDNN_DATA_FLOAT || type == CUDNN_DATA_BFLOAT16 || type == CUDNN_DATA_DOUBLE,
                 "software GPU: elements of type ", static_cast<int>(type), " are not stood in for");
    return type == CUDNN_DATA_FLOAT ? Dtype::f32 : type == CUDNN_DATA_BFLOAT16 ? Dtype::bf16 : Dtype::f64;
  }
  std::vector<std::int64_t> ids_;
  std::vector<void*> pointers_;
  void* workspace_;
};

struct Names {
  cudnnBackendAttributeName_t x, w, y, convolution, alpha, beta;
};
constexpr Names kForward{CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
constexpr Names kGradInput{CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
constexpr Names kGradWeight{
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};

Convolution convolution_of(const Record& operation, const Pack& pack, bool rounded) {
  using Direction = Convolution::Direction;
  Direction direction = Direction::forward;
  if (operation.type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR) direction = Direction::grad_input;
  else if (operation.type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR) direction = Direction::grad_weight;
  else
    check<Error>(operation.type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, "software GPU: operations of type ",
                 static_cast<int>(operation.type), " are not stood in for");
  const Names& names = direction == Direction::forward      ? kForward
                       : direction == Direction::grad_input ? kGradInput
                                                            : kGradWeight;
  const Record& described = operation.descriptor(names.convolution);
  check<Error>(described.one<cudnnConvolutionMode_t>(CUDNN_ATTR_CONVOLUTION_CONV_MODE) == CUDNN_CROSS_CORRELATION &&
                   described.one<std::int64_t>(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS) == 2,
               "software GPU: only cross-correlations in two dimensions are stood in for");
  const auto pair = [&](cudnnBackendAttributeName_t name) {
    const auto values = described.list<std::int64_t>(name);
    return std::array<std::int64_t, 2>{values.at(0), values.at(1)};
  };
  const bool wide = described.one<cudnnDataType_t>(CUDNN_ATTR_CONVOLUTION_COMP_TYPE) == CUDNN_DATA_DOUBLE;
  const auto factor = [&](cudnnBackendAttributeName_t name) {
    return wide ? operation.one<double>(name) : static_cast<double>(operation.one<float>(name));
  };
  return {.direction = direction,
          .stride = pair(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES),
          .pad = pair(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS),
          .dilation = pair(CUDNN_ATTR_CONVOLUTION_DILATIONS),
          .wide = wide,
          .rounded = rounded,
          .alpha = factor(names.alpha),
          .beta = factor(names.beta),
          .x = pack.tensor(operation.descriptor(names.x)),
          .w = pack.tensor(operation.descriptor(names.w)),
          .y = pack.tensor(operation.descriptor(names.y))};
}

struct Handle {
  cudaStream_t stream = nullptr;
};
Handle& of(cudnnHandle_t handle) { return *reinterpret_cast<Handle*>(handle); }

const std::string& device_json() {
  static const std::string text = [] {
    std::ifstream file(MEC_DEVICE_JSON);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }();
  return text;
}

const char* name_of(Convolution::Direction direction) {
  return direction == Convolution::Direction::forward      ? "conv2d"
         : direction == Convolution::Direction::grad_input ? "conv2d_grad_input"
                                                           : "conv2d_grad_weight";
}

}  // namespace

extern "C" {

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  *handle = reinterpret_cast<cudnnHandle_t>(new Handle);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  delete &of(handle);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  of(handle).stream = stream;
  return CUDNN_STATUS_SUCCESS;
}
size_t cudnnGetVersion() { return MEC_REAL(cudnnGetVersion)(); }
const char* cudnnGetErrorString(cudnnStatus_t status) { return MEC_REAL(cudnnGetErrorString)(status); }
void cudnnGetLastErrorString(char* message, size_t most) { MEC_REAL(cudnnGetLastErrorString)(message, most); }

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t* descriptor) {
  const cudnnStatus_t status = MEC_REAL(cudnnBackendCreateDescriptor)(type, descriptor);
  if (status != CUDNN_STATUS_SUCCESS) return status;
  const std::lock_guard lock(records().mutex);
  records().all[*descriptor] = std::make_shared<Record>(Record{.type = type});
  return status;
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  const std::lock_guard lock(records().mutex);
  records().all.erase(descriptor);
  return MEC_REAL(cudnnBackendDestroyDescriptor)(descriptor);
}
// The device's number becomes its description.
cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count, const void* elements) {
  if (name == CUDNN_ATTR_DEVICEPROP_DEVICE_ID) {
    return MEC_REAL(cudnnBackendSetAttribute)(descriptor, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                                              std::ssize(device_json()), device_json().data());
  }
  const cudnnStatus_t status = MEC_REAL(cudnnBackendSetAttribute)(descriptor, name, type, count, elements);
  if (status != CUDNN_STATUS_SUCCESS) return status;
  const RecordPointer record = records().of(descriptor);
  record->values[name] = value_of(type, count, elements);
  if (name == CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG) {
    record->rounds = rounds(*static_cast<const cudnnBackendDescriptor_t*>(elements));
  }
  return status;
}
cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) { return MEC_REAL(cudnnBackendFinalize)(descriptor); }
// An engine that comes out of a heuristic is for the graph that went into it.
cudnnStatus_t cudnnBackendGetAttribute(const cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t most, int64_t* count, void* elements) {
  const cudnnStatus_t status = MEC_REAL(cudnnBackendGetAttribute)(descriptor, name, type, most, count, elements);
  if (status != CUDNN_STATUS_SUCCESS || name != CUDNN_ATTR_ENGINEHEUR_RESULTS || !elements) return status;
  const RecordPointer graph = records().of(descriptor)->at(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH).descriptors.at(0);
  const auto* const configs = static_cast<const cudnnBackendDescriptor_t*>(elements);
  for (std::int64_t i = 0; i < std::min(*count, most); ++i) records().of(configs[i])->graph = graph;
  return status;
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t variant_pack) {
  const RecordPointer known = records().of(plan);
  const auto& operations = graph_of(*known).at(CUDNN_ATTR_OPERATIONGRAPH_OPS).descriptors;
  check<Error>(operations.size() == 1, "software GPU: graphs of ", operations.size(), " operations are not stood in for");
  const Pack pack(*records().of(variant_pack));
  const Convolution convolution = convolution_of(*operations[0], pack, known->rounds);
  std::int64_t bytes = 0, count = 0;
  MEC_REAL(cudnnBackendGetAttribute)(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count, &bytes);
  if (bytes > 0 && !is_device_memory(pack.workspace(), static_cast<std::size_t>(bytes)))
    return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
  const auto word = [](const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); };
  Operation operation{.name = name_of(convolution.direction),
                      .words = {word(convolution.x.memory), word(convolution.w.memory), word(convolution.y.memory)},
                      .run = [=, workspace = pack.workspace()] {
                        if (bytes > 0) std::memset(workspace, 0xff, static_cast<std::size_t>(bytes));  // an engine's to use
                        convolve(convolution);
                      }};
  if (bytes > 0) operation.words.push_back(word(pack.workspace()));
  return enqueue(of(handle).stream, std::move(operation)) == cudaSuccess ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_EXECUTION_FAILED;
}

}  // extern "C"
