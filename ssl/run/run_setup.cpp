#include "mec/ssl/run/run_setup.h"

#include <utility>

#include "mec/nn/files/weights.h"
#include "mec/ssl/methods/methods.h"
#include "mec/ssl/run/run_directory.h"
#include "mec/ssl/run/saved_encoder.h"
#include "mec/ssl/training/checkpoint_files.h"
#include "mec/tensor/io/safetensors.h"
#include "mec/tensor/text.h"

namespace mec {

Normalization normalization_of(const DataSettings& data, const Normalization& published) {
  if (data.mean.empty() && data.std.empty()) return published;
  return {.mean = {data.mean.begin(), data.mean.end()}, .std = {data.std.begin(), data.std.end()}};
}

std::int64_t image_size_of(const DataSettings& data, const Transform& views) {
  return data.eval_size > 0 ? data.eval_size : views.size(0).width;
}

WeightsInfo describe_network(const Learner& learner, const Transform& views, const DataSettings& data,
                             const std::vector<std::string>& classes) {
  const Normalization& normalization = views.normalization();
  return {.encoder = learner.online.encoder.config,
          .image_size = image_size_of(data, views),
          .mean = {normalization.mean.begin(), normalization.mean.end()},
          .std = {normalization.std.begin(), normalization.std.end()},
          .classes = learner.classifier ? classes : std::vector<std::string>{}};
}

void load_start(const ModelSettings& model, ResNet& encoder) {
  std::filesystem::path file = model.weights;
  if (std::filesystem::is_directory(file)) file = SavedEncoder(file).weights();
  const auto metadata = read_safetensors_metadata(file);
  if (metadata.contains("arch")) {
    const auto text_of = [](const ResNetConfig& c) {
      return concat(c.arch, ", width ", c.width, ", stem ", name_of(c.stem), ", ", counted(c.in_channels, "channel"));
    };
    const std::string theirs = text_of(to_weights_info(metadata, file.string()).encoder), ours = text_of(encoder.config);
    check<ValueError>(theirs == ours, "model.weights: ", printable(file.string()), " is of ", theirs,
                      ", but this run's encoder is ", ours,
                      "; set model.arch, model.width, model.stem and data.channels to the file's");
  }
  LoadOptions options;
  if (!model.weights_prefix.empty()) options.prefix = model.weights_prefix;
  load_weights(file, encoder, options);
}

void take_weights(const PretrainSettings& settings, Learner& learner) {
  if (settings.model.weights.empty()) return;
  ResNet& encoder = learner.online.encoder;
  load_start(settings.model, encoder);
  if (learner.teacher) copy_state(encoder, learner.teacher->network.encoder);
}

RunIdentity identity_of(const PretrainSettings& settings, std::int64_t steps_per_epoch, std::int64_t images) {
  PretrainSettings defaults;
  choose_method(defaults, settings.method);
  return {.steps_per_epoch = steps_per_epoch,
          .images = images,
          .settings = settings_that_train(settings),
          .defaults = settings_that_train(defaults)};
}

std::string computed_by(const RunOptions& options, const Device& device) {
  const std::string one = options.computed_on.empty() ? device->name() : options.computed_on;
  if (options.ranks->size() == 1) return one;
  const std::string library = options.ranks->library(device);
  return concat(one, " in ", options.ranks->size(), " processes", library.empty() ? "" : " over ", library);
}

Former find_former(const std::filesystem::path& out, const RunOptions& options) {
  Former former;
  if (options.resume == Resume::never || !std::filesystem::is_directory(out)) return former;
  former.lock = std::make_unique<FolderLock>(out);
  former.checkpoint = newest_checkpoint(out, options.note, [&](std::int64_t step) { check_lines(out, step); });
  return former;
}

std::vector<SettingChange> take_state(Former& former, const RunIdentity& identity, Learner& learner, const Objective& objective,
                                      const RunOptions& options, const std::string& computed_on, const std::string& folder,
                                      std::int64_t steps) {
  const std::unique_ptr<Checkpoint> from = std::move(former.checkpoint);
  if (!from) return {};
  if (options.resume != Resume::other_settings) from->check_same(identity);
  from->restore(learner, objective);
  const std::string before = from->computed_on();
  if (!before.empty() && before != computed_on && options.note) {
    options.note(concat(folder, " was trained on ", before, "; on ", computed_on, " it goes on with other bits"));
  }
  std::vector<SettingChange> changes = from->changes(identity);
  check<ValueError>(changes.empty() || from->step() < steps, folder, ": its checkpoint is of step ", from->step(),
                    ", but with these settings a run has ", steps,
                    " steps, so that nothing is left to train; choose more epochs, or another folder");
  return changes;
}

}  // namespace mec
