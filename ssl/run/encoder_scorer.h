// How well a run's encoder does while it trains: what scores it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "mec/data/loader/broken_images.h"
#include "mec/data/normalization.h"
#include "mec/distributed/communicator.h"
#include "mec/nn/module.h"
#include "mec/ssl/methods/objective.h"
#include "mec/ssl/run/training_images.h"

namespace mec {

class EncoderScorer {
 public:
  virtual ~EncoderScorer() = default;

  // What is scored, on which images; one line.
  virtual const std::string& text() const = 0;
  // Accuracies in [0, 1]: of an encoder "knn" and "probe" as far as they are asked for; of a
  // network with a classifier "top1", and "top5" of more than five classes. The first says which
  // network is the best. NaN where features are not finite. Images enter the encoder as `dtype`.
  // Leaves the encoder as it is, and keeps nothing on the device. None where `stops`, asked between
  // pieces of the work, says so.
  //
  // Several ranks call it together, with the same encoder, and share the images; the first one
  // has the accuracies, the others an empty list.
  virtual std::optional<Metrics> score(const Module& network, Dtype dtype, const std::function<bool()>& stops) const = 0;
};

// What the network takes, what it was trained on, and where it is.
struct ScorerOptions {
  Device device;
  TrainingImages images;
  std::int64_t image_size = 224;
  Normalization normalization;
  CommunicatorPtr ranks = one_process();  // that share the images
  // With data.on_broken = "skip"; of: "test" of those that are scored, or "neighbours" of those
  // that classify.
  std::function<void(const std::string& of, const BrokenImage& image)> on_skipped = {};
  // Is called on the other ranks than the first before they wait for its part of the work.
  std::function<void()> before_waiting = {};
  std::function<void(const std::string&)> note = {};  // messages for the user
};

// Makes what settings.eval asks for. ValueError or IoError where its images do not serve.
using MakeScorer = std::function<std::unique_ptr<EncoderScorer>(const PretrainSettings&, const ScorerOptions&)>;

}  // namespace mec
