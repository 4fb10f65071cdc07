// cuDNN's backend graph API under owning descriptors, as much of it as convolutions need. It
// includes cudnn.h, so only the files that call cuDNN include it.
//
// A descriptor keeps what it was made from alive by itself (cuDNN copies), so the order of
// destruction does not matter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "mec/tensor/backends/cuda/cudnn/cudnn_library.h"
#include "mec/tensor/backends/cuda/cudnn/engine_choice.h"
#include "mec/tensor/error.h"

#if CUDNN_VERSION < 90800
#error "mec needs cuDNN 9.8 or newer, the first one whose plans are made from a description of the device"
#endif

namespace mec::cuda {

// A call of cuDNN that failed: its expression, file and line, and what cuDNN says of the reason.
struct CudnnError : DeviceError {
  CudnnError(const std::string& message, cudnnStatus_t why) : DeviceError(message), status(why) {}
  // What was asked for exists, but not in this combination: another engine may do it.
  bool unsupported() const { return CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_NOT_SUPPORTED; }
  cudnnStatus_t status;
};

// Throws CudnnError unless the status is success.
void check_cudnn(cudnnStatus_t status, const char* expression, const char* file, int line);
#define MEC_CHECK_CUDNN(expression) ::mec::cuda::check_cudnn((expression), #expression, __FILE__, __LINE__)

// Owns one backend descriptor. Setters of the C API take arrays of untyped bytes; these take values
// of the attribute's type.
class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type);
  ~Descriptor() { destroy(); }
  Descriptor(Descriptor&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      destroy();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }

  Descriptor& set(cudnnBackendAttributeName_t name, std::int64_t value);
  Descriptor& set(cudnnBackendAttributeName_t name, std::span<const std::int64_t> values);
  Descriptor& set(cudnnBackendAttributeName_t name, const Descriptor& value);
  Descriptor& set(cudnnBackendAttributeName_t name, std::span<const Descriptor> values);
  Descriptor& set(cudnnBackendAttributeName_t name, std::span<void* const> values);
  Descriptor& set(cudnnBackendAttributeName_t name, const std::string& text);
  // Enumerations, int32, float and double, each with cuDNN's name for its type.
  template <class T> Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, T value) {
    return set_raw(name, type, 1, &value);
  }
  // Ends the setting of attributes. CudnnError where the descriptor is inconsistent, or asks for
  // what cuDNN cannot do.
  Descriptor& finalize();

  std::int64_t get(cudnnBackendAttributeName_t name) const;
  std::string get_text(cudnnBackendAttributeName_t name) const;
  Descriptor get_descriptor(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type) const;
  // At most `most` of them; cuDNN does not always say beforehand how many there are.
  std::vector<Descriptor> get_descriptors(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type,
                                          std::int64_t most) const;
  // A list of enumerators.
  template <class T> std::vector<T> get_list(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type) const {
    std::vector<T> values(static_cast<std::size_t>(count(name, type)));
    if (!values.empty()) get_raw(name, type, static_cast<std::int64_t>(values.size()), values.data());
    return values;
  }

  cudnnBackendDescriptor_t handle() const { return handle_; }

 private:
  Descriptor& set_raw(cudnnBackendAttributeName_t, cudnnBackendAttributeType_t, std::int64_t count, const void* values);
  std::int64_t count(cudnnBackendAttributeName_t, cudnnBackendAttributeType_t) const;
  std::int64_t get_raw(cudnnBackendAttributeName_t, cudnnBackendAttributeType_t, std::int64_t count, void* values) const;
  void destroy() noexcept;

  cudnnBackendDescriptor_t handle_ = nullptr;
};

// An engine with its knobs set, and what cuDNN notes about it.
struct EngineConfig {
  Descriptor descriptor;
  EngineChoice choice;
  std::vector<cudnnBackendNumericalNote_t> numerical;
  std::vector<cudnnBackendBehaviorNote_t> behavior;

  bool has(cudnnBackendNumericalNote_t note) const;
  bool has(cudnnBackendBehaviorNote_t note) const;
};

// --- Builders ------------------------------------------------------------------------------------

// Sizes and strides (in elements) in cuDNN's order NCHW, whatever the layout in memory.
struct TensorDesc {
  std::int64_t id;
  cudnnDataType_t type;
  std::vector<std::int64_t> sizes, strides;
  std::int64_t alignment;  // bytes
};
Descriptor make_tensor(const TensorDesc& desc);

struct ConvolutionDesc {
  cudnnDataType_t compute;
  std::int64_t stride, pad, dilation;  // the same on both axes
};
Descriptor make_convolution(const ConvolutionDesc& desc);

Descriptor make_operation_graph(const Descriptor& operation);

// Engines for the graph on that device, cuDNN's favourite first. Empty where the mode knows none.
std::vector<EngineConfig> ask_heuristics(const Descriptor& graph, cudnnBackendHeurMode_t mode, const Descriptor& device);
// The one engine of a choice made earlier. CudnnError where there is no such engine.
EngineConfig make_engine_config(const Descriptor& graph, const EngineChoice& choice, const Descriptor& device);

Descriptor make_plan(const EngineConfig& config, const Descriptor& device);
Descriptor make_variant_pack(std::span<const std::int64_t> ids, std::span<void* const> pointers, void* workspace);

}  // namespace mec::cuda
