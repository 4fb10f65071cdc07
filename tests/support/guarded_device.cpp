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

Upstream GuardedDevice::guarded_memory() {
  return {.allocate = [this](std::size_t bytes) -> void* {
            auto& segment = segments_.emplace_back(bytes + 3 * kGuard, kFill);  // one more for the alignment
            return align(segment.data()) + kGuard;
          },
          .release = [](void*, std::size_t) {}};
}

// Blocks are handed out from the start of a segment, so what lies well beyond the high-water mark need not be looked at.
std::span<const std::byte> GuardedDevice::watched(std::size_t segment) const {
  const auto& bytes = segments_[segment];
  return {bytes.data(), std::min(bytes.size(), memory_.stats().high_water + 4 * kGuard)};
}

void GuardedDevice::on_call(KernelCall call) {
  std::vector<std::vector<std::byte>> before;
  for (std::size_t s = 0; s < segments_.size(); ++s) before.emplace_back(watched(s).begin(), watched(s).end());
  call.run();
  for (std::size_t s = 0; s < segments_.size(); ++s) {
    const auto now = watched(s);
    auto at = std::ranges::mismatch(before[s], now).in2;
    while (at != now.end() && within_an_output(call.outputs, &*at)) {
      const auto offset = at + 1 - now.begin();
      at = std::mismatch(before[s].begin() + offset, before[s].end(), at + 1, now.end()).second;
    }
    check<Error>(at == now.end(), "guarded device: ", call.kernel, " wrote outside its outputs");
  }
}

}  // namespace mec::test
