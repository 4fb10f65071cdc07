#include <functional>
#include <iostream>
#include <optional>

#include <nlohmann/json.hpp>

#include "mec/cli/bench/convolution_floor.h"
#include "mec/cli/bench/profile_table.h"
#include "mec/cli/commands.h"
#include "mec/cli/note.h"
#include "mec/cli/options.h"
#include "mec/cli/ranks.h"
#include "mec/cli/timing.h"
#include "mec/ssl/methods/mec.h"
#include "mec/ssl/methods/methods.h"
#include "mec/ssl/training/random_step.h"
#include "mec/ssl/training/trainer.h"

namespace mec::cli {

namespace {

struct BenchOptions {
  std::string method = "mec", arch = "resnet18", stem = "cifar";
  std::int64_t width = 64;
  std::optional<std::int64_t> dim, proj_hidden, pred_hidden;
  std::int64_t channels = 3, size = 32, batch = 64, accumulate = 1;
  std::string precision = "f32";
  int warmup = 2, steps = 5;
  bool profile = false, no_graph = false;
  std::string plans;
  bool floor = false;
  int floor_calls = 3;
  DeviceOptions device;
};

struct StepTimes {
  double warmup = 0;
  std::vector<double> steps;
  double peak_mib = 0;  // of warm-up and steps alone: tensor memory of a GPU, the process elsewhere
  double loss = 0;
  bool replayed = false;                    // from a recording
  std::unique_ptr<ConvolutionFloor> floor;  // with --floor
};

// The options' device, wrapped in a profiler with --profile, and that in a counter with --floor;
// the launch's ranks, whose messages --profile counts.
struct Bench {
  std::shared_ptr<ProfilingBackend> profiler;   // with --profile
  std::shared_ptr<ConvolutionCounter> counter;  // with --floor
  Device device;
  std::shared_ptr<ProfilingCommunicator> messages;  // with --profile, of several ranks
  CommunicatorPtr ranks;

  Bench(const BenchOptions& options, CommunicatorPtr& launched) : device(options.device.make(options.plans)) {
    if (options.profile) device = profiler = std::make_shared<ProfilingBackend>(device);
    if (options.floor) device = counter = std::make_shared<ConvolutionCounter>(device);
    between_gpus(launched, options.device, device);
    ranks = launched;
    if (options.profile && ranks->size() > 1) ranks = messages = std::make_shared<ProfilingCommunicator>(ranks);
  }
  void begin_phase(const char* name) const {
    if (profiler) profiler->begin_phase(name);
    if (messages) messages->begin_phase(name);
  }
  void reset() const {
    if (profiler) profiler->reset();
    if (messages) messages->reset();
  }
};

// The method's published settings, changed by the flags.
PretrainSettings settings_of(const BenchOptions& options) {
  PretrainSettings settings;
  choose_method(settings, options.method);
  ModelSettings& model = settings.model;
  model.arch = options.arch;
  model.stem = options.stem;
  model.width = options.width;
  model.dim = options.dim.value_or(model.dim);
  model.proj_hidden = options.proj_hidden.value_or(model.proj_hidden);
  model.pred_hidden = options.pred_hidden.value_or(model.pred_hidden);
  settings.train.batch = options.batch;
  settings.train.accumulate = options.accumulate;
  settings.train.precision = options.precision;
  // λ stays as given: the official loss does not adapt it.
  if (options.method == "mec") settings.method_settings["on_divergence"] = static_cast<double>(OnDivergence::warn);
  return settings;
}

// The floor of one further step. It has a device of its own, so that it touches neither memory nor
// plans of the step's device.
std::unique_ptr<ConvolutionFloor> make_floor(const BenchOptions& options, ConvolutionCounter& counter,
                                             const std::function<void()>& step) {
  counter.start();
  step();
  counter.stop();
  return std::make_unique<ConvolutionFloor>(counter.counted(), options.device.make(), options.floor_calls);
}

StepTimes time_steps(const BenchOptions& options, const PretrainSettings& settings, const Bench& bench) {
  const auto on_part = [&](const char* part) { bench.begin_phase(part); };
  StepTimes times;
  const ImageSize size{static_cast<int>(options.size), static_cast<int>(options.size)};
  RandomStep random_step(
      settings, {.views = {size, size}, .channels = options.channels}, bench.device,
      {.capture = !options.no_graph && bench.ranks->capturable(bench.device), .on_part = on_part, .note = note}, bench.ranks);
  const auto step = [&] { times.loss = random_step.run(); };
  for (const double seconds : time_rounds(options.warmup, step)) times.warmup += seconds;
  if (bench.counter) times.floor = make_floor(options, *bench.counter, step);
  bench.reset();
  for (int round = 0; round < options.steps; ++round) {
    times.steps.push_back(time_rounds(1, step).front());
    if (round == 0 || !times.floor) times.peak_mib = peak_mib(bench.device);
    if (times.floor) times.floor->run_round();
  }
  times.replayed = random_step.replays();
  return times;
}

nlohmann::ordered_json report(const BenchOptions& options, const PretrainSettings& settings, const StepTimes& times,
                              const Bench& bench) {
  const double middle = median(times.steps);
  nlohmann::ordered_json out{{"peer", "mec " MEC_VERSION},
                             {"method", options.method},
                             {"arch", options.arch},
                             {"stem", options.stem},
                             {"width", options.width},
                             {"size", options.size},
                             {"batch", options.batch},
                             {"accumulate", options.accumulate},
                             {"processes", bench.ranks->size()},
                             {"collectives", bench.ranks->library(bench.device)},
                             {"dim", settings.model.dim},
                             {"dtype", options.precision},
                             {"channels_last", true},
                             {"compile", false},
                             {"captured", times.replayed},
                             {"deterministic", !options.device.nondeterministic},
                             {"device", bench.device->name()},
                             {"step_ms", rounded(middle * 1e3, 100)},
                             {"min_ms", rounded(*std::ranges::min_element(times.steps) * 1e3, 100)},
                             {"images_per_s", rounded(static_cast<double>(options.batch) / middle, 100)},
                             {"peak_mib", rounded(times.peak_mib, 10)},
                             {"warmup_s", rounded(times.warmup, 100)},
                             {"mu", static_cast<double>(options.batch + settings.model.dim) / 2},
                             {"loss", times.loss}};
  if (!times.floor) return out;
  const double floor = times.floor->seconds();
  out["floor_ms"] = rounded(floor * 1e3, 100);
  out["floor_share"] = rounded(floor / middle, 1e4);
  out["floor_kinds"] = times.floor->kinds();
  for (const char* kernel : {"conv2d", "conv2d_grad_input", "conv2d_grad_weight"})
    out["floor_calls"][kernel] = times.floor->calls(kernel);
  return out;
}

void run_bench(const BenchOptions& options, CommunicatorPtr& ranks) {
  const PretrainSettings settings = settings_of(options);
  check_ranks(settings, ranks->size());
  const Bench bench(options, ranks);
  const StepTimes times = time_steps(options, settings, bench);
  const double least_mib = -ranks->maximum(-times.peak_mib), most_mib = ranks->maximum(times.peak_mib);
  if (ranks->rank() > 0) return;
  std::cout << report(options, settings, times, bench).dump() << "\n";
  if (bench.profiler) {
    print_profile(std::cout << "\n", bench.profiler->profiles(), options.steps);
    if (bench.messages) {
      print_messages(std::cout << "\n", bench.messages->profiles(), options.steps);
      std::cout << "\nmemory of a process at its highest: " << rounded(least_mib, 10) << " to " << rounded(most_mib, 10)
                << " MiB\n";
    }
    std::cout << "\ntensor memory at its highest: " << bench.device->allocator().stats().high_water / (1 << 20) << " MiB\n";
  }
  if (times.floor) {
    const double floor = times.floor->seconds(), step = median(times.steps);
    std::cout << "\nfloor: the convolutions of a step, each alone: " << rounded(floor * 1e3, 100) << " ms; the step, "
              << rounded(step * 1e3, 100) << " ms, runs at " << rounded(100 * floor / step, 1) << " % of the floor rate\n\n";
    print_profile(std::cout, times.floor->profiles(), 1);
  }
}

}  // namespace

void add_bench(Command program) {
  Command bench = program.add_subcommand("bench", "Speed");
  bench.require_subcommand();
  const auto options = std::make_shared<BenchOptions>();
  Command command = bench.add_subcommand("step", "One training step on random images: median time, images/s, peak memory");
  const auto size = [&](const char* name, std::int64_t& member, const char* what) {
    command.add_option(name, member, what).positive().show_default();
  };
  command.add_option("--method", options->method, "As in a settings file, with its default heads").show_default();
  command.add_option("--arch", options->arch, resnet_archs()).show_default();
  command.add_option("--stem", options->stem, "cifar or imagenet").show_default();
  size("--width", options->width, "Channels of the first stage");
  size("--channels", options->channels, "Of the images");
  size("--size", options->size, "Pixels on a side");
  size("--batch", options->batch, "Images in a step; each is seen in two views");
  size("--accumulate", options->accumulate, "Equal parts in which they pass through the networks");
  command.add_option("--dim", options->dim, "Width of the embedding; default: the method's").positive();
  command.add_option("--proj-hidden", options->proj_hidden, "Of the projector; 0: as wide as the encoder's output")
      .not_negative();
  command.add_option("--pred-hidden", options->pred_hidden, "Of the predictor; 0: none").not_negative();
  command.add_option("--precision", options->precision, "f32 or bf16").one_of({"f32", "bf16"}).show_default();
  command.add_option("--warmup", options->warmup, "Steps before the timed ones").not_negative().show_default();
  command.add_option("--steps", options->steps, "Timed steps").positive().show_default();
  add_no_graph_option(command, options->no_graph);
  command.add_flag("--profile", options->profile,
                   "Also print the time of each part and kernel, and what processes tell each other");
  const Option floor =
      command.add_flag("--floor", options->floor, "Between the steps, time each of their convolutions alone: the step's floor");
  command.add_option("--floor-calls", options->floor_calls, "Timed calls of each convolution after each step")
      .positive()
      .needs(floor)
      .show_default();
  command.add_option("--plans", options->plans,
                     "File that keeps the engines of the GPU's convolutions: --tune times them once");
  add_device_options(command, options->device);
  command.run_in_each(
      [options] { run_in_ranks(options->device, [&](CommunicatorPtr& ranks) { run_bench(*options, ranks); }); });
  add_bench_loss(bench);
  add_bench_ops(bench);
}

}  // namespace mec::cli
