// Settings of the runs that judge an encoder by what it learns from labels.
#pragma once

#include <cstdint>
#include <string>

#include "mec/ssl/run/saved_encoder.h"
#include "mec/ssl/settings.h"

namespace mec {

// Fine-tuning where images are larger than 64 pixels: Barlow Twins' semi-supervised evaluation
// (github.com/facebookresearch/barlowtwins, README), 20 epochs of 256 images, SGD with momentum
// 0.9, the classifier at 0.5 and the encoder at 0.002, no weight decay, the rates by a cosine of
// whole epochs. On smaller images the encoder at 0.05 behind a classifier with a norm, and crops of
// 4/5 of the area and more (docs/transfer.md). Both are files in examples/transfer/.
PretrainSettings finetuning_protocol(std::int64_t image_size);
// MEC's linear evaluation (github.com/xinliu20/MEC, benchmarks/linearprob): the encoder frozen, a
// batch norm without parameters and a linear layer, 100 epochs of LARS (trust 0.001) at 0.03 for
// 256 images, no weight decay. The official batch is 4096; here it is 256, at the rate that belongs
// to it. Also examples/transfer/linear_mec.toml.
PretrainSettings linear_protocol();

// The run begins from that encoder: its network and weights, and images in its channels, size and
// normalisation.
void begin_from(PretrainSettings& settings, const SavedEncoder& encoder);
// Pixels on a side that an encoder of the run sees when it is used.
std::int64_t image_size_of(const PretrainSettings& run);
// The network of a pre-training run's settings, with random weights, which sees images as that run
// does.
void begin_like(PretrainSettings& settings, const PretrainSettings& run);

// The same network with random weights, all of it trained for as many steps of as many images: SGD
// at 0.1 for 256 images, weight decay 5e-4 but on norms and biases, as trained from scratch
// elsewhere.
PretrainSettings from_scratch(PretrainSettings settings);

// Sets the batch; the learning rate follows in proportion (Goyal et al. 2017).
void set_batch(PretrainSettings& settings, std::int64_t batch);
// Where there are fewer images than in a batch, sets the batch to the largest power of two that
// there are, and says so in a line; else "".
std::string fit_batch(PretrainSettings& settings, std::int64_t images);
// The same for protocols that were made for ImageNet, where fine-tuning on 1 % takes 1000 steps:
// where there would be fewer, batches become smaller, down to an eighth of the images, and then
// epochs more, with some twenty scores among them.
std::string fit_to_images(PretrainSettings& settings, std::int64_t images);

}  // namespace mec
