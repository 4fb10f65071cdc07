// A training step that does not fit into memory: what holds it, by part, and how large a batch
// would fit.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mec/data/image.h"
#include "mec/ssl/methods/objective.h"
#include "mec/ssl/training/learner.h"
#include "mec/ssl/training/random_step.h"
#include "mec/tensor/allocator.h"

namespace mec {

// The failed request and what was held then, as a line for a MemoryError. Activations are what is
// left of it when the other parts are taken away: all that a step makes and frees again.
std::string memory_by_part(const OutOfMemory& error, Learner& learner, const Objective& objective,
                           const std::vector<Tensor>& views);

struct LargestBatch {
  std::int64_t images = 0;
  std::int64_t measured = 0;  // from steps of up to so many images
};

// About the largest batch that the device has memory for: it fits, and twice as many do not.
//
// Steps of 16 and 8 random images (of fewer where these do not fit) say what is needed without any;
// one that takes an eighth of the room says what an image adds, the gaps between blocks included.
// In proportion, the batch is four fifths of what would fill the room: a large batch leaves larger
// gaps, and some objectives have matrices of the batch by the batch.
//
// Call it where nothing else uses the device; its cached memory goes back to the system. `copies`:
// how often the loader holds a batch in the same memory. None where no such number can be had: a
// step of few images fails, or the batch of the settings should have fitted.
std::optional<LargestBatch> largest_batch(const PretrainSettings& settings, const StepImages& images, const Device& device,
                                          std::int64_t copies);

}  // namespace mec
