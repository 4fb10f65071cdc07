// What cuDNN has to know of a GPU to plan for it. Taken from a device, or from JSON that was taken
// from one, so that plans are made, and tested, where there is no such device.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace mec::cuda {

class Descriptor;

class DeviceProperties {
 public:
  // The device of that number. DeviceError where there is none.
  static DeviceProperties of_device(int device);
  // From what json() of a device returned. DeviceError where cuDNN does not take it.
  static DeviceProperties from_json(const std::string& text);

  DeviceProperties(DeviceProperties&&) noexcept;
  DeviceProperties& operator=(DeviceProperties&&) noexcept;
  ~DeviceProperties();

  const std::string& json() const { return json_; }
  const std::string& name() const { return name_; }
  std::int64_t multiprocessors() const { return multiprocessors_; }
  const Descriptor& descriptor() const { return *descriptor_; }

 private:
  DeviceProperties(std::unique_ptr<Descriptor> descriptor, std::string json, std::string name, std::int64_t multiprocessors);

  std::unique_ptr<Descriptor> descriptor_;
  std::string json_, name_;
  std::int64_t multiprocessors_ = 0;
};

// Version of the cuDNN library that is loaded, as 10000·major + 100·minor + patch.
std::int64_t cudnn_version();

}  // namespace mec::cuda
