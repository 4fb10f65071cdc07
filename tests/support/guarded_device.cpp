#include "support/guarded_device.h"

#include <algorithm>
#include <cstring>

namespace mec::test {
namespace {

constexpr std::size_t kGuard = 4096;

std::byte* align(std::byte* p) { return p + (kGuard - reinterpret_cast<std::uintptr_t>(p) % kGuard); }

}  // namespace

GuardedDevice::GuardedDevice(Device inner, std::byte fill)
    : ForwardingBackend(std::move(inner)), fill_(fill), memory_(guarded_memory()) {}

GuardedDevice::~GuardedDevice() {
  for (const Segment& segment : segments_) inner()->allocator().deallocate(segment.memory);
}

Upstream GuardedDevice::guarded_memory() {
  return {.allocate = [this](std::size_t size) -> void* {
            const std::size_t bytes = size + 3 * kGuard;  // one more for the alignment
            auto* const memory = static_cast<std::byte*>(inner()->allocator().allocate(bytes));
            now_.assign(bytes, fill_);
            inner()->upload(now_.data(), {memory, {static_cast<std::int64_t>(bytes)}, Dtype::u8});
            segments_.push_back({.memory = memory, .bytes = bytes, .expected = {}});
            return align(memory) + kGuard;
          },
          .release = [](void*, std::size_t) {},
          .extend = {},
          .granule = inner()->allocator().granule()};
}

void GuardedDevice::renew() {
  for (Segment& segment : segments_) {
    now_.assign(segment.expected.size(), fill_);
    inner()->upload(now_.data(), {segment.memory, {static_cast<std::int64_t>(now_.size())}, Dtype::u8});
    segment.expected.clear();
  }
}

// Looked at is each segment as far as kernels have written, and a guard more: what lies beyond is
// as it was filled.
void GuardedDevice::on_call(KernelCall call) {
  call.run();
  for (Segment& segment : segments_) {
    const auto place = [&](const Out& y) { return static_cast<std::size_t>(y.as<std::byte>() - segment.memory); };
    const auto size = [](const Out& y) { return static_cast<std::size_t>(y.numel() * size_of(y.dtype)); };
    const auto inside = [&](const Out& y) { return y.as<std::byte>() >= segment.memory && place(y) < segment.bytes; };
    std::size_t reach = segment.expected.size();
    for (const Out& y : call.outputs) {
      if (inside(y)) reach = std::max(reach, std::min(segment.bytes, place(y) + size(y) + kGuard));
    }
    segment.expected.resize(reach, fill_);
    now_.resize(reach);
    inner()->download({segment.memory, {static_cast<std::int64_t>(reach)}, Dtype::u8}, now_.data());
    for (const Out& y : call.outputs) {
      if (inside(y)) std::memcpy(segment.expected.data() + place(y), now_.data() + place(y), size(y));
    }
    check<Error>(std::memcmp(segment.expected.data(), now_.data(), reach) == 0, "guarded device: ", call.name,
                 " wrote outside its outputs");
  }
}

}  // namespace mec::test
