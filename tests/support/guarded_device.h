// A device on which a kernel that writes outside its outputs, or leaves a part of them unwritten, is found out.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "mec/tensor/forwarding.h"

namespace mec::test {

// Wraps a device with host memory. Its memory starts as NaN (all bits set), so that unwritten outputs fail any comparison, with
// guard bytes around each segment. After every kernel, each byte outside the kernel's output views must be as it was: Error,
// naming the kernel, otherwise.
class GuardedDevice final : public ForwardingBackend {
 public:
  explicit GuardedDevice(Device inner);
  CachingAllocator& allocator() override { return memory_; }

 protected:
  void on_call(KernelCall call) override;

 private:
  Upstream guarded_memory();
  std::span<const std::byte> watched(std::size_t segment) const;

  std::vector<std::vector<std::byte>> segments_;  // with their guards
  CachingAllocator memory_;
};

}  // namespace mec::test
