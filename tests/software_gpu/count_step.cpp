// Counts a training step of ResNet-50 by kernel, on the software GPU: calls of the backend,
// launches, and bytes of the views that are read and written. A step of a few small images is run,
// and what its shapes say is scaled to a batch of 256 at 224 pixels. Nothing is timed.
#include <cstdio>
#include <map>
#include <string>
#include <string_view>

#include "mec/ssl/methods/methods.h"
#include "mec/ssl/training/random_step.h"
#include "mec/tensor/backends/wrappers/forwarding.h"
#include "mec/tensor/devices.h"
#include "software_gpu/streams.h"

using namespace mec;

namespace {

// A side of 32 pixels goes through the network as one of 224 does, each layer's side a seventh. No
// other dimension is 5.
constexpr std::int64_t kSmallBatch = 5, kSmallSide = 32, kBatch = 256, kSide = 224;

bool is_images(const Shape& shape) { return shape.rank() == 4 && shape[0] == kSmallBatch; }

template <class V> double scaled_bytes(const V& view) {
  double bytes = static_cast<double>(view.numel() * size_of(view.dtype));
  for (std::int64_t i = 0; i < view.shape.rank(); ++i) {
    if (view.shape[i] == kSmallBatch) bytes *= double(kBatch) / kSmallBatch;
  }
  constexpr double kSides = double(kSide) / kSmallSide;
  return is_images(view.shape) ? bytes * kSides * kSides : bytes;
}

struct Count {
  long calls = 0, launches = 0;
  double bytes = 0;
};

class CountingDevice final : public ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;
  std::map<std::string, Count> counts;

 protected:
  void on_call(KernelCall call) override {
    const long before = software_gpu::given_operations();
    call.run();
    Count& count = counts[call.name];
    ++count.calls;
    const std::string_view kernel = call.name;
    const bool folds = kernel == "batch_norm_statistics" || kernel == "batch_norm_grad_reduce";
    // Over many rows partial sums are folded by a second launch, where a few rows need none.
    const bool many = folds && is_images(call.inputs.front().shape);
    count.launches += many ? 2 : software_gpu::given_operations() - before;
    for (const In& x : call.inputs) count.bytes += scaled_bytes(x);
    for (const Out& y : call.outputs) count.bytes += scaled_bytes(y);
  }
};

}  // namespace

int main() {
  PretrainSettings settings;
  choose_method(settings, "mec");
  settings.model.arch = "resnet50";
  settings.model.stem = "imagenet";
  settings.train.batch = kSmallBatch;
  settings.train.precision = "bf16";
  const auto device = std::make_shared<CountingDevice>(make_cuda_device());
  const ImageSize size{kSmallSide, kSmallSide};
  RandomStep step(settings, {.views = {size, size}}, device, {.capture = false});
  step.run();
  device->counts.clear();
  step.run();
  std::printf("| kernel | calls | launches | GB |\n|---|---|---|---|\n");
  Count all;
  for (const auto& [kernel, count] : device->counts) {
    std::printf("| %s | %ld | %ld | %.2f |\n", kernel.c_str(), count.calls, count.launches, count.bytes / 1e9);
    all = {all.calls + count.calls, all.launches + count.launches, all.bytes + count.bytes};
  }
  std::printf("| all | %ld | %ld | %.2f |\n", all.calls, all.launches, all.bytes / 1e9);
}
