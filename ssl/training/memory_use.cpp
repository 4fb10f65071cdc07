#include "mec/ssl/training/memory_use.h"

#include <algorithm>
#include <exception>
#include <numeric>
#include <utility>

#include "mec/nn/files/checkpoint.h"
#include "mec/ssl/training/random_step.h"
#include "mec/tensor/backend.h"
#include "mec/tensor/text.h"

namespace mec {

namespace {

constexpr double kFew = 16;                // images, to learn what a step takes without any
constexpr std::int64_t kFewest = 8;        // so many, or half as many where they do not fit
constexpr double kMeasuredShare = 1. / 8;  // of the room: in an eighth of a step's time
constexpr double kShare = 0.8;
constexpr int kStepsUntilReplay = 8;

template <class Tensors> std::size_t bytes_of(const Tensors& named) {
  return std::accumulate(named.begin(), named.end(), std::size_t{0},
                         [](std::size_t sum, const auto& one) { return sum + one.tensor.bytes(); });
}

// What a step of so many images takes, from unused memory that went back to the system: at its
// highest, and with the gaps that it leaves.
struct StepMemory {
  double used = 0, reserved = 0;  // bytes
};

StepMemory measured(PretrainSettings settings, std::int64_t batch, const StepImages& images, const Device& device,
                    const StepRunnerOptions& options) {
  settings.train.batch = batch;
  CachingAllocator& allocator = device->allocator();
  allocator.trim();
  allocator.reset_high_water();
  const AllocatorStats before = allocator.stats();
  const int steps = options.capture && device->make_capture() ? kStepsUntilReplay : 1;
  RandomStep step(settings, images, device, options);
  for (int i = 0; i < steps && !step.replays(); ++i) step.run();
  const AllocatorStats after = allocator.stats();
  return {.used = static_cast<double>(after.high_water - before.in_use),
          .reserved = static_cast<double>(after.reserved - before.reserved)};
}

// So many images, or half of them, or half of these; and what their step takes.
template <class UsedBy>
std::pair<std::int64_t, double> few_that_fit(std::int64_t images, std::int64_t least, const UsedBy& used_by) {
  try {
    return {images, used_by(images)};
  } catch (const MemoryError&) {
    if (images < least) throw;
    return few_that_fit(images / 2, least, used_by);
  }
}

}  // namespace

std::string memory_by_part(const OutOfMemory& error, Learner& learner, const Objective& objective,
                           const std::vector<Tensor>& views) {
  const AllocatorStats& held = error.held;
  std::size_t batch = 0;
  for (const Tensor& view : views) batch += view.bytes();
  std::vector<std::pair<const char*, std::size_t>> parts{
      {"weights and gradients", bytes_of(state_of(learner.online, "")) + learner.parameters.gradients().bytes()},
      {"optimiser", bytes_of(learner.optimizer->state())},
      {"teacher", learner.teacher ? bytes_of(state_of(learner.teacher->network, "")) : 0},
      {"method", bytes_of(objective.state())},
      {"batch", batch},
      {"workspaces", held.workspaces}};
  std::size_t known = 0;
  for (const auto& [name, bytes] : parts) known += bytes;
  parts.emplace_back("activations", held.in_use - std::min(known, held.in_use));
  parts.emplace_back("unused", held.reserved - held.in_use);
  std::vector<std::string> large;
  for (const auto& [name, bytes] : parts) {
    if (bytes >> 20 > 0) large.push_back(concat(name, " ", bytes >> 20, " MiB"));
  }
  return concat("out of memory: a step of ", views.front().dim(0), " images asks for ", error.asked >> 20,
                " MiB more, and the system has none beside the ", held.reserved >> 20, " MiB that are held",
                large.empty() ? "" : concat(" (", joined(large, ", "), ")"));
}

std::optional<LargestBatch> largest_batch(const PretrainSettings& settings, const StepImages& images, const Device& device,
                                          std::int64_t copies) {
  const std::int64_t parts = settings.train.accumulate;  // of every batch
  // The batch divided by a power of two: a method's queue may want that.
  const auto part_of_batch = [&](double most) {
    std::int64_t part = settings.train.batch / 2;
    while (part > 1 && static_cast<double>(part) > most) part /= 2;
    return part;
  };
  const auto used_by = [&](std::int64_t batch) { return measured(settings, batch, images, device, {.capture = false}).used; };
  try {
    CachingAllocator& allocator = device->allocator();
    allocator.trim();
    const double room =
        static_cast<double>(allocator.stats().reserved - allocator.stats().in_use) + static_cast<double>(allocator.available());
    const auto [few, used] = few_that_fit(part_of_batch(kFew * static_cast<double>(parts)), kFewest * parts, used_by);
    const double by_half = used - used_by(few / 2);
    const double an_image = by_half / static_cast<double>(few - few / 2), no_image = used - an_image * static_cast<double>(few);

    const std::int64_t many = std::max(few, part_of_batch((room - no_image) / an_image * kMeasuredShare));
    const double reserved = measured(settings, many, images, device, {}).reserved;
    double an_image_with_gaps = (reserved - no_image) / static_cast<double>(many);
    for (const ImageSize& size : images.views) {
      an_image_with_gaps +=
          static_cast<double>(copies * size.height * size.width * device->image_channels(images.channels)) * sizeof(float);
    }
    const double fit = kShare * (room - no_image) / an_image_with_gaps;
    if (!(fit < static_cast<double>(settings.train.batch))) return {};
    const std::int64_t largest = static_cast<std::int64_t>(fit) / parts * parts;
    return LargestBatch{.images = std::max(few, largest), .measured = many};
  } catch (const std::exception&) {
    return {};
  }
}

}  // namespace mec
