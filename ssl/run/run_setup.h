// What a run is made of before its first step, whoever makes its batches: train_run() from files,
// FedRun from images that it is given.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "mec/data/augment/transform.h"
#include "mec/nn/files/weights_info.h"
#include "mec/ssl/run/train_run.h"
#include "mec/ssl/training/checkpoint.h"
#include "mec/tensor/io/folder_lock.h"

namespace mec {

// The settings' mean and std; where these have none, those published for the images.
Normalization normalization_of(const DataSettings& data, const Normalization& published);
// Pixels on a side when the encoder is used.
std::int64_t image_size_of(const DataSettings& data, const Transform& views);
// classes: of the images; those of a network without classifier are not written.
WeightsInfo describe_network(const Learner& learner, const Transform& views, const DataSettings& data,
                             const std::vector<std::string>& classes);
// The encoder takes the values that model.weights names: of a run's folder, or a weights file.
// ValueError where the file says that they are of another network or of images with other channels;
// IoError as load_weights().
void load_start(const ModelSettings& model, ResNet& encoder);
// The same for the learner's encoder, and its teacher's, where model.weights is set.
void take_weights(const PretrainSettings& settings, Learner& learner);
// images: in the data set; 0: not known.
RunIdentity identity_of(const PretrainSettings& settings, std::int64_t steps_per_epoch, std::int64_t images = 0);
// What the run's bits come from.
std::string computed_by(const RunOptions& options, const Device& device);

// Where a run goes on: its folder, locked, and the checkpoint; neither where it begins.
struct Former {
  std::unique_ptr<FolderLock> lock;
  std::unique_ptr<Checkpoint> checkpoint;

  std::int64_t step() const { return checkpoint ? checkpoint->step() : 0; }
};
// Neither where options.resume is Resume::never, or there is no such folder.
Former find_former(const std::filesystem::path& out, const RunOptions& options);

// Takes the state of the checkpoint, and frees its memory. Returns the settings that are others.
// ValueError where these leave nothing of the run's `steps` to train.
std::vector<SettingChange> take_state(Former& former, const RunIdentity& identity, Learner& learner, const Objective& objective,
                                      const RunOptions& options, const std::string& computed_on, const std::string& folder,
                                      std::int64_t steps);

}  // namespace mec
