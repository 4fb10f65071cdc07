#include "support/guarded_device.h"

#include <algorithm>

namespace mec::test {
namespace {

constexpr std::size_t kGuard = 4096;
constexpr auto kFill = std::byte{0xff};

std::byte* align(std::byte* p) { return p + (kGuard - reinterpret_cast<std::uintptr_t>(p) % kGuard); }

bool within_an_output(const std::vector<View>& outputs, const std::byte* at) {
  return std::ranges::any_of(outputs, [at](const View& y) {
    return at >= y.as<std::byte>() && at < y.as<std::byte>() + y.numel() * size_of(y.dtype);
  });
}

}  // namespace

GuardedDevice::GuardedDevice(Device inner) : ForwardingBackend(std::move(inner)), memory_(guarded_memory()) {}

GuardedDevice::~GuardedDevice() {
  for (const Segment& segment : segments_) inner()->allocator().deallocate(segment.memory);
}

Upstream GuardedDevice::guarded_memory() {
  return {.allocate = [this](std::size_t size) -> void* {
            const std::size_t bytes = size + 3 * kGuard;  // one more for the alignment
            auto* const memory = static_cast<std::byte*>(inner()->allocator().allocate(bytes));
            segments_.push_back({memory, bytes});
            const std::vector<std::byte> fill(bytes, kFill);
            inner()->upload(fill.data(), {memory, {static_cast<std::int64_t>(bytes)}, Dtype::u8});
            return align(memory) + kGuard;
          },
          .release = [](void*, std::size_t) {},
          .extend = {},
          .granule = inner()->allocator().granule()};
}

// Blocks are handed out from the start of a segment, so what lies well beyond the high-water mark need not be looked at.
std::vector<std::byte> GuardedDevice::watched(const Segment& segment) const {
  std::vector<std::byte> bytes(std::min(segment.bytes, memory_.stats().high_water + 4 * kGuard));
  inner()->download({segment.memory, {static_cast<std::int64_t>(bytes.size())}, Dtype::u8}, bytes.data());
  return bytes;
}

void GuardedDevice::on_call(KernelCall call) {
  std::vector<std::vector<std::byte>> before;
  for (const Segment& segment : segments_) before.push_back(watched(segment));
  call.run();
  for (std::size_t s = 0; s < segments_.size(); ++s) {
    const std::vector<std::byte> now = watched(segments_[s]);
    auto at = std::ranges::mismatch(before[s], now).in2;
    while (at != now.end() && within_an_output(call.outputs, segments_[s].memory + (at - now.begin()))) {
      const auto offset = at + 1 - now.begin();
      at = std::mismatch(before[s].begin() + offset, before[s].end(), at + 1, now.end()).second;
    }
    check<Error>(at == now.end(), "guarded device: ", call.kernel, " wrote outside its outputs");
  }
}

}  // namespace mec::test
