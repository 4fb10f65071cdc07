// A run in the caller's loop: the caller has the images and gives a batch for each step. Nothing is
// read from files, and no threads are started.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mec/data/image_array.h"
#include "mec/nn/files/weights_info.h"
#include "mec/nn/resnet.h"
#include "mec/ssl/run/train_run.h"

namespace mec {

struct FedRunOptions {
  // Of the data set, or, where images come without end, as many as make an epoch: it has
  // images/batch steps. 0: those of a batch, so that each step is an epoch.
  std::int64_t images = 0;
  int channels = 3;
  // The run's folder, with the files that train_run() writes there. Empty: nothing is written but
  // what save_… is asked for.
  std::filesystem::path folder = {};
  // Whether a run in that folder goes on.
  Resume resume = Resume::never;
  // Without a folder: a checkpoint, or the folder of a run, whose newest one is taken; the run goes
  // on from there. Empty: it begins.
  std::filesystem::path checkpoint = {};
  std::string computed_on = {};  // see RunOptions
  Teller note = {};
};

// A view of a batch, made by the caller and normalised.
struct ViewArray {
  const float* values = nullptr;  // (N,H,W,C)
  std::int64_t count = 0, height = 0, width = 0, channels = 0;
};

// For the same settings, images and device its bits are those of train_run(), and each goes on from
// the other's checkpoints. data.path and data.workers have no effect; data.mean and data.std must
// be set, since there is no data set for which they would be known.
class FedRun {
 public:
  // ValueError for settings out of range or without effect here; IoError where folder or checkpoint
  // are not what the options say.
  FedRun(const PretrainSettings& settings, const Device& device, const FedRunOptions& options);
  ~FedRun();

  const PretrainSettings& settings() const;
  std::int64_t steps() const;  // of the whole run
  std::int64_t steps_per_epoch() const;
  std::int64_t steps_done() const;
  WeightsInfo info() const;  // of the encoder

  // (batch): the numbers of the next step's images, in [0, images), in train_run()'s order. They
  // choose the views of an image. Where images come without end, they are just numbers.
  std::vector<std::int64_t> next() const;

  // One step on the batch of those images. ShapeError unless there are train.batch images of the
  // run's channels, ValueError after the last step, NumericalError as of train(). A step that fails
  // once it has begun ends the run: all further calls are a ValueError. But not after IoError: the
  // last step is done then, and finish() tries its files again.
  StepReport step(const ImageArray& images);
  // The same with views that the caller made, as many and as large as the settings say.
  StepReport step_views(std::span<const ViewArray> views);

  ResNet encoder(const Device& device) const;                  // a copy of it, as it is now
  void save_encoder(const std::filesystem::path& path) const;  // IoError
  // IoError; ValueError before the first step; NumericalError as of CheckpointWriter.
  void save_checkpoint(const std::filesystem::path& path) const;
  // Ends training, and waits for the files of the folder; then the folder is no longer locked.
  // IoError where one cannot be written: another finish() tries them again. No step follows, but
  // the encoder and a checkpoint may still be taken.
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mec
