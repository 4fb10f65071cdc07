#include "mec/tensor/backends/cuda/cudnn/device_properties.h"

#include <nlohmann/json.hpp>

#include "mec/tensor/backends/cuda/cudnn/cudnn_graph.h"
#include "mec/tensor/backends/cuda/runtime/check.h"

namespace mec::cuda {

namespace {

constexpr std::int64_t kOldestVersion = 90800;

std::unique_ptr<Descriptor> make_descriptor() {
  check<DeviceError>(cudnn_version() >= kOldestVersion, "cuDNN: version ", kOldestVersion, " or newer is needed, but ",
                     cudnn_version(), " was loaded");
  return std::make_unique<Descriptor>(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
}

}  // namespace

std::int64_t cudnn_version() { return static_cast<std::int64_t>(cudnnGetVersion()); }

DeviceProperties DeviceProperties::of_device(int device) {
  auto descriptor = make_descriptor();
  descriptor->set(CUDNN_ATTR_DEVICEPROP_DEVICE_ID, CUDNN_TYPE_INT32, static_cast<std::int32_t>(device)).finalize();
  std::string json = descriptor->get_text(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION);
  cudaDeviceProp known{};  // cuDNN documents no names for these two in its JSON
  MEC_CHECK_CUDA(cudaGetDeviceProperties(&known, device));
  return {std::move(descriptor), std::move(json), known.name, known.multiProcessorCount};
}

DeviceProperties DeviceProperties::from_json(const std::string& text) {
  auto descriptor = make_descriptor();
  descriptor->set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, text).finalize();
  try {
    const auto fields = nlohmann::json::parse(text);
    return {std::move(descriptor), text, fields.at("deviceName").get<std::string>(),
            fields.at("multiProcessorCount").get<std::int64_t>()};
  } catch (const nlohmann::json::exception& error) {
    throw DeviceError(concat("cuDNN: the properties of a device lack its name or number of multiprocessors: ", error.what()));
  }
}

DeviceProperties::DeviceProperties(std::unique_ptr<Descriptor> descriptor, std::string json, std::string name,
                                   std::int64_t multiprocessors)
    : descriptor_(std::move(descriptor)), json_(std::move(json)), name_(std::move(name)), multiprocessors_(multiprocessors) {}

DeviceProperties::DeviceProperties(DeviceProperties&&) noexcept = default;
DeviceProperties& DeviceProperties::operator=(DeviceProperties&&) noexcept = default;
DeviceProperties::~DeviceProperties() = default;

}  // namespace mec::cuda
