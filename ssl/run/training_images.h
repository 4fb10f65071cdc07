// The images of a run: those that it trains on, and those that it holds out.
#pragma once

#include <functional>
#include <string>

#include "mec/data/dataset.h"
#include "mec/ssl/settings.h"

namespace mec {

struct TrainingImages {
  DatasetPtr train;
  DatasetPtr held_out;  // null where data.validation is 0
  std::string listed;   // a digest of what data.list names; "" without one
};

// What settings.data describes: of the split data.limit images, of these data.fraction or those of
// data.list, of these data.validation held out. Drawn by train.seed: the same images each time.
// Notes of the data set are told. ValueError, IoError as open_dataset() and labelled_subset.h;
// where the method learns from labels, ValueError unless each class has an image to train on.
TrainingImages open_training_images(const PretrainSettings& settings, const std::function<void(const std::string&)>& note);

// "6000 fashion-mnist images of the training split (data.fraction 0.1)": where the images come
// from, in one line.
std::string describe_images(const DataSettings& data, const Dataset& images);

}  // namespace mec
