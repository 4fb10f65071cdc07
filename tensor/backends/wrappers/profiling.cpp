#include "mec/tensor/backends/wrappers/profiling.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "mec/tensor/clock.h"

namespace mec {
namespace {

template <class V> std::string text_of(const std::vector<V>& views) {
  std::string text;
  for (const V& view : views) text += concat(text.empty() ? "" : ", ", view.shape, " ", view.dtype);
  return text;
}

template <class V> double bytes_of(const std::vector<V>& views) {
  double bytes = 0;
  for (const V& view : views) bytes += static_cast<double>(view.numel() * size_of(view.dtype));
  return bytes;
}

// Two for each multiplication with its addition. Of a convolution y = w ∗ x, and of both its
// gradients: every element of y meets the weights of its own channel.
double flops_of(const KernelCall& call) {
  const std::string_view kernel = call.kernel;
  const auto elements = [](const auto& view) { return static_cast<double>(view.numel()); };
  if (kernel == "matmul") {  // (m,k) and (k,n) give (m,n): k² = mk·kn/mn
    const double a = elements(call.inputs[0]), b = elements(call.inputs[1]), c = elements(call.outputs[0]);
    return c > 0 ? 2 * c * std::sqrt(a * b / c) : 0;
  }
  const auto convolution = [&](const auto& y, const auto& w) { return 2 * elements(y) * elements(w) / double(w.shape[0]); };
  if (kernel == "conv2d") return convolution(call.outputs[0], call.inputs[1]);
  if (kernel == "conv2d_grad_input") return convolution(call.inputs[0], call.inputs[1]);
  if (kernel == "conv2d_grad_weight") return convolution(call.inputs[0], call.outputs[0]);
  if (kernel == "lu") return 2.0 / 3.0 * std::pow(elements(call.outputs[0]), 1.5);
  if (kernel == "cholesky") return 1.0 / 3.0 * std::pow(elements(call.outputs[0]), 1.5);
  return 0;
}

}  // namespace

void ProfilingBackend::on_call(KernelCall call) {
  const std::string sizes = concat(text_of(call.inputs), " -> ", text_of(call.outputs));
  KernelProfile& profile = profiles_[concat(phase_, '\n', call.kernel, '\n', sizes)];
  profile.phase = phase_;
  profile.kernel = call.kernel;
  profile.sizes = sizes;
  profile.calls += 1;
  profile.flops += flops_of(call);
  profile.bytes += bytes_of(call.inputs) + bytes_of(call.outputs);
  inner()->synchronize();  // what was started otherwise
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
