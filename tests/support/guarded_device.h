// A device on which a kernel that writes outside its outputs, or leaves a part of them unwritten,
// is found out.
#pragma once

#include <cstddef>
#include <vector>

#include "mec/tensor/backends/wrappers/forwarding.h"

namespace mec::test {

// What memory is filled with at first. NaN in every floating dtype: what is read of it spoils a
// result. Or, where NaN may be right, a large number: 1e36 in f32.
constexpr std::byte kFillNan{0xff}, kFillLarge{0x7b};

// Wraps any device. Memory that nobody wrote holds `fill`, so that unwritten outputs fail a
// comparison, also around each segment, as a guard. After every kernel, each byte outside the
// kernel's outputs must be as it was: Error, naming the kernel, otherwise.
class GuardedDevice final : public ForwardingBackend {
 public:
  explicit GuardedDevice(Device inner, std::byte fill = kFillNan);
  ~GuardedDevice() override;
  CachingAllocator& allocator() override { return memory_; }
  void renew();  // all memory is as at first; no tensor may be alive

 protected:
  void on_call(KernelCall call) override;

 private:
  struct Segment {  // with its guards
    std::byte* memory;
    std::size_t bytes;
    // What is in it, as far as kernels have written; the rest is filled.
    std::vector<std::byte> expected;
  };

  Upstream guarded_memory();

  std::byte fill_;
  std::vector<Segment> segments_;
  std::vector<std::byte> now_;  // a segment's, for a moment
  CachingAllocator memory_;
};

}  // namespace mec::test
