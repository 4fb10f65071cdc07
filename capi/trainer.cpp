#include <algorithm>
#include <memory>
#include <mutex>
#include <vector>

#include "mec/capi/arguments.h"
#include "mec/capi/encoder.h"
#include "mec/capi/handles.h"
#include "mec/ssl/methods/methods.h"
#include "mec/ssl/run/fed_run.h"
#include "mec/ssl/run/settings_file.h"

namespace mec::capi {

namespace {

struct Trainer {
  using Handle = mec_trainer;
  static constexpr const char* kName = "trainer";
  static constexpr std::uintptr_t kDigit = 5;

  OpenedDevice device;
  FedRun run;
  std::mutex mutex = {};
};

// As a line of metrics.jsonl has them.
Metrics figures_of(const StepReport& report, bool has_teacher) {
  Metrics all = report.metrics;
  all.emplace_back("lr", report.values.lr);
  if (has_teacher) all.emplace_back("ema", report.values.ema);
  all.insert(all.end(), report.scheduled.begin(), report.scheduled.end());
  all.emplace_back("skipped", report.skipped ? 1 : 0);
  return all;
}

Trainer make_trainer(const char* settings, const mec_trainer_options& asked, const mec_device* device) {
  const PretrainSettings parsed = parse_settings(text_of(settings, "settings"), "settings");
  Teller note;
  if (asked.note != nullptr) note = [asked](const std::string& line) { asked.note(line.c_str(), asked.context); };
  check<ValueError>(asked.channels == 1 || asked.channels == 3, "mec_trainer_options.channels is 1 or 3, but is ",
                    asked.channels);
  const OpenedDevice opened = open_device(device, note);
  const FedRunOptions options{.images = asked.images,
                              .channels = static_cast<int>(asked.channels),
                              .folder = asked.folder ? asked.folder : "",
                              .resume = asked.resume != 0 ? Resume::same_settings : Resume::never,
                              .checkpoint = asked.checkpoint ? asked.checkpoint : "",
                              .computed_on = opened.computed_on,
                              .note = note};
  return {.device = opened, .run = FedRun(parsed, opened.device, options)};
}

void tell(const Trainer& trainer, const StepReport& report, mec_figures* figures) {
  give(figures_of(report, has_averaged_teacher(trainer.run.settings())), figures);
}

}  // namespace

}  // namespace mec::capi

using namespace mec;
using namespace mec::capi;

mec_status mec_trainer_open(const char* settings, const mec_trainer_options* options, const mec_device* device,
                            mec_trainer** trainer) {
  return guarded("mec_trainer_open", [&] {
    open_handle<Trainer>(trainer, [&] {
      check_given(options, "options");
      const mec_trainer_options none = MEC_TRAINER_OPTIONS_INIT;
      return make_trainer(settings, read_struct(options, none, "mec_trainer_options"), device);
    });
  });
}

mec_status mec_trainer_describe(mec_trainer* trainer, mec_trainer_info* info) {
  return guarded("mec_trainer_describe", [&] {
    const Use<Trainer> use(trainer);
    const PretrainSettings& settings = use->run.settings();
    const mec_trainer_info values{.size = 0,
                                  .batch = settings.train.batch,
                                  .views = std::ssize(settings.augment.views),
                                  .steps = use->run.steps(),
                                  .steps_per_epoch = use->run.steps_per_epoch(),
                                  .steps_done = use->run.steps_done()};
    write_struct(values, info, "mec_trainer_info");
  });
}

mec_status mec_trainer_next(mec_trainer* trainer, int64_t* numbers) {
  return guarded("mec_trainer_next", [&] {
    const Use<Trainer> use(trainer);
    check_result(numbers, "numbers");
    std::ranges::copy(use->run.next(), numbers);
  });
}

mec_status mec_trainer_step(mec_trainer* trainer, const mec_images* images, mec_figures* figures) {
  return guarded("mec_trainer_step", [&] {
    const Use<Trainer> use(trainer);
    check_given(images, "images");
    tell(*use, use->run.step(bytes_of(*images, "MEC_U8 (mec_trainer_step_views takes f32)")), figures);
  });
}

mec_status mec_trainer_step_views(mec_trainer* trainer, const mec_images* views, int64_t count, mec_figures* figures) {
  return guarded("mec_trainer_step_views", [&] {
    const Use<Trainer> use(trainer);
    check_given(views, "views");
    const std::int64_t expected = std::ssize(use->run.settings().augment.views);  // before they are read
    check<ShapeError>(count == expected, "a step takes ", expected, " views (augment.views), but count is ", count);
    std::vector<ViewArray> arrays;
    for (std::int64_t v = 0; v < count; ++v) {
      const mec_images& view = views[v];
      check<DtypeError>(view.dtype == MEC_F32, "views are MEC_F32, but the dtype of view ", v, " is ",
                        static_cast<int>(view.dtype));
      arrays.push_back({.values = static_cast<const float*>(view.pixels),
                        .count = view.count,
                        .height = view.height,
                        .width = view.width,
                        .channels = view.channels});
    }
    tell(*use, use->run.step_views(arrays), figures);
  });
}

mec_status mec_trainer_encoder(mec_trainer* trainer, mec_encoder** encoder) {
  return guarded("mec_trainer_encoder", [&] {
    const Use<Trainer> use(trainer);
    open_handle<Encoder>(encoder, [&] {
      const Device device = use->device.another();
      return Encoder{.device = device, .info = use->run.info(), .network = use->run.encoder(device)};
    });
  });
}

mec_status mec_trainer_save_encoder(mec_trainer* trainer, const char* file) {
  return guarded("mec_trainer_save_encoder", [&] { Use<Trainer>(trainer)->run.save_encoder(text_of(file, "file")); });
}

mec_status mec_trainer_save_checkpoint(mec_trainer* trainer, const char* file) {
  return guarded("mec_trainer_save_checkpoint", [&] { Use<Trainer>(trainer)->run.save_checkpoint(text_of(file, "file")); });
}

mec_status mec_trainer_finish(mec_trainer* trainer) {
  return guarded("mec_trainer_finish", [&] { Use<Trainer>(trainer)->run.finish(); });
}

mec_status mec_trainer_free(mec_trainer* trainer) {
  return guarded("mec_trainer_free", [&] { handles<Trainer>().free(trainer); });
}
