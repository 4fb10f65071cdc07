// A device on which a kernel that writes outside its outputs, or leaves a part of them unwritten, is found out.
#pragma once

#include <cstddef>
#include <vector>

#include "mec/tensor/forwarding.h"

namespace mec::test {

// Wraps any device. Its memory starts as NaN (all bits set), so that unwritten outputs fail any comparison, with
// guard bytes around each segment. After every kernel, each byte outside the kernel's output views must be as it was: Error,
// naming the kernel, otherwise.
class GuardedDevice final : public ForwardingBackend {
 public:
  explicit GuardedDevice(Device inner);
  ~GuardedDevice() override;
  CachingAllocator& allocator() override { return memory_; }

 protected:
  void on_call(KernelCall call) override;

 private:
  struct Segment {  // with its guards
    std::byte* memory;
    std::size_t bytes;
  };

  Upstream guarded_memory();
  std::vector<std::byte> watched(const Segment& segment) const;

  std::vector<Segment> segments_;
  CachingAllocator memory_;
};

}  // namespace mec::test
