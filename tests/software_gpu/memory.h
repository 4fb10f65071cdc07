// Memory of the software GPU: device memory, which the host can touch only while the device works,
// and pinned host memory.
//
// No address is ever used twice, so that whoever still holds one of memory that was given back is
// found out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace mec::software_gpu {

enum class Place : std::uint8_t { device, pinned, pageable };

// Bytes that cudaMalloc gives out at a time.
constexpr std::size_t kCapacity = std::size_t{4} << 30;

// Holds NaN in every floating type. Null where kCapacity is reached.
void* allocate_device(std::size_t bytes);
void* allocate_pinned(std::size_t bytes);
bool release_device(void* memory);  // false where that is no beginning of device memory in use
bool release_pinned(void* memory);

Place place_of(const void* address);
// Whether [address, address + bytes) lies in one piece of device memory that is in use.
bool is_device_memory(const void* address, std::size_t bytes);

// Error, naming the operation, for an address of device memory that is not in use, or of the host's
// memory. `words` are all that the operation was given: what cannot be an address is passed over.
void check_addresses(const std::string& operation, std::span<const std::uintptr_t> words);

// While one lives, device memory can be touched: the device works. Outside, a touch ends the
// program with a line that says so.
class DeviceAtWork {
 public:
  DeviceAtWork();
  ~DeviceAtWork();
  DeviceAtWork(const DeviceAtWork&) = delete;
  DeviceAtWork& operator=(const DeviceAtWork&) = delete;
};
void set_operation(const char* name);  // what the device is at, for that line

}  // namespace mec::software_gpu
