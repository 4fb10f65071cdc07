// The settings of a pre-training run. Defaults are the official MEC recipe
// (github.com/xinliu20/MEC, main_pretrain.py), scaled where a comment says so.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "mec/data/augment/view.h"
#include "mec/data/loader/broken_images.h"
#include "mec/ssl/losses/kernel_density_kl.h"

namespace mec {

struct ModelSettings {
  // A run's folder or a weights file (run/run_setup.h) that the encoder starts from; empty:
  // from random weights.
  std::string weights = {};
  std::string weights_prefix = {};  // what stands before the encoder's names there; empty: found
  std::string arch = "resnet50";  // of resnet_archs() (nn/resnet.h)
  std::string stem = "imagenet";  // imagenet: 7x7 stride 2 and max-pool; cifar: 3x3 stride 1
  std::int64_t width = 64;        // channels of the first stage
  bool zero_init_residual = true;
  std::int64_t dim = 2048;         // d, width of the embedding
  std::int64_t proj_layers = 3;    // of the projector, the last one without ReLU
  std::int64_t proj_hidden = 0;    // width of its hidden layers; 0: the encoder's output width
  bool proj_norm = true;           // batch norm after each but the last of its layers
  bool proj_output_norm = true;    // batch norm without γ and β after the last
  std::int64_t pred_hidden = 512;  // of the predictor; 0: none
  // Where not 0, the predictor scores the embedding against so many prototypes (SwAV).
  std::int64_t prototypes = 0;
};

// A warm-up is as long as `epochs` says, or as `steps` where that is not negative; at most as long
// as the run.
struct WarmupLength {
  double epochs = 0;
  std::int64_t steps = -1;

  std::int64_t in_steps(std::int64_t steps_per_epoch) const {
    return steps >= 0 ? steps : std::llround(epochs * static_cast<double>(steps_per_epoch));
  }
  // Rounded up to whole epochs.
  std::int64_t in_epochs(std::int64_t steps_per_epoch) const {
    return steps >= 0 ? (steps + steps_per_epoch - 1) / steps_per_epoch : static_cast<std::int64_t>(std::ceil(epochs));
  }
};

// Of the loss that draws embeddings to a Gaussian mixture (methods/regularized.h).
struct KlRegularizerSettings {
  double weight = 0;  // of the KL in the loss
  KlEstimate estimate = KlEstimate::variational;
  double bandwidth = 0.05;       // σ² of the batch's kernel density
  std::int64_t components = 64;  // of the mixture: fixed directions drawn from the seed
  double variance = 0.05;        // of its components, of each coordinate
  std::uint64_t seed = 0;
};

// What becomes of a step whose loss or gradients are not finite: it stops the run, or changes
// nothing.
enum class OnNonfinite : std::uint8_t { stop, skip };

struct TrainSettings {
  std::int64_t epochs = 100;
  std::int64_t batch = 1024;
  // The batch of the loss passes through the networks in so many equal parts, whose activations are
  // not held together (training/step.h).
  std::int64_t accumulate = 1;
  // Of several processes: by whose images batch norm normalises. 1 (true in files): those of all,
  // as the official recipe does; 0 (false): each by its own; n from 2: in groups of n, the first n
  // processes the first.
  std::int64_t sync_batch_norm = 1;
  std::string optimizer = "sgd";  // sgd, lars, adamw
  double lr = 2.0;                // peak, for the whole batch
  WarmupLength warmup{.epochs = 10};
  double momentum = 0.9;
  double weight_decay = 1e-5;
  bool decay_norm_and_bias = true;  // the official recipe decays everything
  double lars_eta = 0.001;
  double beta1 = 0.9, beta2 = 0.999, adam_eps = 1e-8;  // of AdamW
  // After the warm-up the rate follows its curve once an epoch, instead of at each step.
  bool lr_by_epoch = false;
  // Of the encoder: its rate is so many times that of the layers behind it; of its stem and four
  // stages the first so many do not learn (ResNet::freeze_parts); and whether its batch norms keep
  // their running statistics and normalise by them.
  double encoder_lr_factor = 1;
  std::int64_t frozen_stages = 0;
  bool frozen_batch_norm = false;
  // The teacher's coefficient goes from this to ema_end along a cosine.
  double ema = 0.996;
  double ema_end = 1;
  bool constant_predictor_rate = false;  // the predictor keeps the peak lr throughout
  std::uint64_t seed = 0;
  std::string precision = "f32";  // f32, bf16: of activations and operands
  OnNonfinite on_nonfinite = OnNonfinite::stop;
  std::int64_t nonfinite_limit = 10;  // a run that skips steps stops at so many in a row
  std::int64_t health_steps = 100;    // the run is looked at every so many steps (run/health.h); 0: never
  // A checkpoint is due after so many epochs, after so many steps, and after so many minutes since
  // the one before; 0: not by this count. Without any, none are written.
  std::int64_t checkpoint_epochs = 1;
  std::int64_t checkpoint_steps = 0;
  double checkpoint_minutes = 10;
  std::int64_t checkpoints_kept = 2;  // the newest ones

  bool makes_checkpoints() const { return checkpoint_epochs > 0 || checkpoint_steps > 0 || checkpoint_minutes > 0; }
};

struct DataSettings {
  std::string path;
  std::string kind = "auto";  // of data_kinds() (data/formats/open_dataset.h)
  std::string split = "train";
  std::int64_t limit = 0;  // at most so many images, spread evenly; 0: all
  // Of these, so many of each class, drawn by train.seed; or those that a file lists
  // (data/labelled_subset.h).
  double fraction = 1;
  std::string list;
  // Of what is left, so many of each class are held out: the run is scored on them, instead of on
  // the test split.
  double validation = 0;
  std::int64_t channels = 0;  // 1 or 3; 0: as in the files
  // Image files stand upright as their cameras noted, instead of as stored.
  bool exif_orientation = false;
  // Of pixels in [0, 1], one for each channel; empty: what is published for the data set.
  std::vector<double> mean, std;
  std::int64_t workers = 1;             // loader threads; 0: none
  OnBroken on_broken = OnBroken::stop;  // where an image's file is missing or damaged
  std::int64_t broken_limit = 100;      // of a run that skips such images
  std::int64_t eval_size = 0;           // pixels on a side when the encoder is used; 0: the first view's
};

// Scores of the encoders while they train (run/evaluations.h).
struct EvalSettings {
  std::int64_t every_epochs = 0;  // after every so many epochs, and after the last; 0: never
  bool knn = true;
  bool probe = false;
  std::int64_t limit = 10000;  // at most so many images of each split, spread evenly; 0: all
};

// What a run writes beside its own files.
struct LogSettings {
  bool tensorboard = false;  // the lines of metrics.jsonl as TensorBoard reads them (run/event_file.h)
};

struct PretrainSettings {
  // choose_method() in methods/methods.h changes it, with all that belongs to it.
  std::string method = "mec";
  // The method's own settings, by the names that methods/methods.h lists; those that are missing
  // have their defaults.
  std::map<std::string, double> method_settings;
  ModelSettings model;
  KlRegularizerSettings mixture_kl;  // added to the loss of any method where its weight is not 0
  TrainSettings train;
  DataSettings data;
  AugmentSettings augment;
  EvalSettings eval;
  LogSettings log;
};

}  // namespace mec
