// The table of methods: what `method = "…"` may name, each with its default settings.
//
// A method is one file, methods/<name>.cpp, and one line of the table in methods.cpp;
// docs/add_an_objective.md walks through it.
#pragma once

#include <memory>

#include "mec/ssl/methods/pair_objective.h"
#include "mec/ssl/settings.h"

namespace mec {

// A setting of the method's own: [simclr] temperature = 0.2 in a file, --temperature for `mec loss
// simclr`.
struct MethodSetting {
  enum class Kind : std::uint8_t { real, whole, flag, word };

  std::string name;
  double value = 0;          // the default; of a flag 0 or 1, of a word its place in `words`
  double low = 0, high = 1;  // of numbers
  std::string help = {};
  Kind kind = Kind::real;
  std::vector<std::string> words = {};
  bool of_pair = true;  // whether pair() depends on it: `mec loss` then offers it
};

// A warm-up that a run must be long enough for, so that `goal` is reached.
struct Warmup {
  std::string key;  // the settings are named <key>_epochs and <key>_steps
  WarmupLength length;
  std::string goal;
};

// The value of one of the method's own settings; the published value where it is not set.
// ValueError where settings.method has no setting of that name.
double method_setting(const PretrainSettings& settings, const std::string& name);

// The arguments of Method::make.
struct MethodSetup {
  const PretrainSettings& settings;
  Device device;
  Dtype dtype = Dtype::f32;  // of the embeddings

  double number(const std::string& name) const { return method_setting(settings, name); }
  std::int64_t whole(const std::string& name) const { return static_cast<std::int64_t>(number(name)); }
};

// One that learns from labels (supervised.h) has no pairs: all that says what pair() takes, and
// make, are empty.
struct Method {
  std::string name;
  std::string title;
  // Changes the defaults of PretrainSettings to the method's: heads, optimiser, teacher.
  void (*defaults)(ModelSettings& model, TrainSettings& train) = [](ModelSettings&, TrainSettings&) {};
  // What its objective's ema_teacher() returns. A flag "ema_teacher" among the method's own
  // settings may turn it off.
  bool averaged_teacher = false;
  std::vector<MethodSetting> settings = {};
  std::vector<Warmup> (*warmups)(const PretrainSettings& settings) = [](const PretrainSettings&) {
    return std::vector<Warmup>{};  // in addition to the learning rate's
  };
  std::string rows = "Embeddings";  // what pair() takes
  // pair() divides each row by its length, which then must not be 0.
  bool scales_rows = false;
  // pair() depends on state()'s only tensor, (L,d) unit rows, whose length is the setting "queue".
  bool pair_reads_queue = false;
  std::unique_ptr<PairObjective> (*make)(const MethodSetup& setup) = nullptr;
};

const std::vector<Method>& methods();                     // those that learn without labels
inline constexpr const char* kSupervised = "supervised";  // learns from labels
// One of these, or kSupervised. ValueError, naming all, for an unknown one.
const Method& find_method(const std::string& name);

// Resets settings to the method's published ones: everything in [model] and [train] that belongs to
// a method, and also the method's own settings, unless it was chosen already. Encoder, images,
// length of the run, seed, precision and checkpoints stay; so do views, unless the method before
// learned from labels and this one does not, or the other way round: then their first one's size.
void choose_method(PretrainSettings& settings, const std::string& name);

// Whether a run with these settings learns from labels: it has a classifier in place of projector
// and predictor.
bool learns_from_labels(const PretrainSettings& settings);

// Whether a run with these settings uses train.ema.
bool has_averaged_teacher(const PretrainSettings& settings);

// The objective of settings.method for embeddings of `dtype` on the device. ValueError for settings
// outside their range.
std::unique_ptr<PairObjective> make_objective(const PretrainSettings& settings, const Device& device, Dtype dtype = Dtype::f32);
// The objective that a run trains with: the same, wrapped in settings.mixture_kl's regulariser
// where its weight is not 0.
std::unique_ptr<Objective> make_step_objective(const PretrainSettings& settings, const Device& device,
                                               Dtype dtype = Dtype::f32);

}  // namespace mec
