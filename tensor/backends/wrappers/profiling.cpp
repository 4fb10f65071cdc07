#include "mec/tensor/backends/wrappers/profiling.h"

#include <algorithm>

#include "mec/tensor/clock.h"

namespace mec {
namespace {

template <class V> std::string text_of(const std::vector<V>& tensors) {
  std::string text;
  for (const V& x : tensors) text += concat(text.empty() ? "" : ", ", x.shape, " ", x.dtype);
  return text;
}

template <class V> double bytes_of(const std::vector<V>& tensors) {
  double bytes = 0;
  for (const V& x : tensors) bytes += static_cast<double>(x.numel() * size_of(x.dtype));
  return bytes;
}

}  // namespace

void ProfilingBackend::on_call(KernelCall call) {
  const std::string sizes = concat(text_of(call.inputs), " -> ", text_of(call.outputs));
  KernelProfile& profile = profiles_[concat(phase_, '\n', call.name, '\n', sizes)];
  profile.phase = phase_;
  profile.kernel = call.name;
  profile.sizes = sizes;
  profile.calls += 1;
  profile.flops += call.flops;
  profile.bytes += bytes_of(call.inputs) + bytes_of(call.outputs);
  inner()->synchronize();  // so that earlier work is not timed
  const auto start = std::chrono::steady_clock::now();
  call.run();
  inner()->synchronize();
  profile.seconds += seconds_since(start);
}

std::vector<KernelProfile> ProfilingBackend::profiles() const {
  std::vector<KernelProfile> sorted;
  for (const auto& [key, profile] : profiles_) sorted.push_back(profile);
  std::ranges::stable_sort(sorted, std::ranges::greater{}, &KernelProfile::seconds);
  return sorted;
}

}  // namespace mec
