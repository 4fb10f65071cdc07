#include <iostream>

#include <nlohmann/json.hpp>

#include "mec/cli/commands.h"
#include "mec/cli/options.h"
#include "mec/cli/timing.h"
#include "mec/ssl/losses/pair.h"
#include "mec/tensor/ops.h"

namespace mec::cli {

namespace {

struct BenchLossOptions {
  std::int64_t rows = 1024, width = 2048;
  int order = 4, warmup = 2, steps = 20;
  DeviceOptions device;
};

// Value and both gradients of one pair of random embeddings, f32; ε² = d keeps the series
// convergent whatever they are.
void run_bench_loss(const BenchLossOptions& options) {
  const Device device = options.device.make();
  const Tensor p = random({options.rows, options.width}, Dtype::f32, device, {.seed = 1});
  const Tensor z = random({options.rows, options.width}, Dtype::f32, device, {.seed = 2});
  const double eps2 = static_cast<double>(options.width);
  const Tensor lambda = coding_lambda(z, eps2);
  const CodingOptions coding{.order = options.order};
  double loss = 0;
  const auto step = [&] {
    const CodingResult result = coding_length_pair(p, z, lambda, coding, {.dp = true, .dz = true});
    loss = at(result.metrics.to(Dtype::f64).to_vector<double>(), CodingMetric::loss);
  };
  time_rounds(options.warmup, step);
  const std::vector<double> times = time_rounds(options.steps, step);
  const nlohmann::ordered_json out{{"peer", "mec " MEC_VERSION},
                                   {"rows", options.rows},
                                   {"width", options.width},
                                   {"order", options.order},
                                   {"step_ms", rounded(median(times) * 1e3, 100)},
                                   {"min_ms", rounded(*std::ranges::min_element(times) * 1e3, 100)},
                                   {"peak_mib", rounded(peak_mib(device), 10)},
                                   {"loss", loss}};
  std::cout << out.dump() << "\n";
}

}  // namespace

void add_bench_loss(Command bench) {
  const auto options = std::make_shared<BenchLossOptions>();
  Command command = bench.add_subcommand("loss", "The MEC loss of one pair with both gradients, f32: median time");
  const auto count = [&](const char* name, auto& member, const char* what) {
    command.add_option(name, member, what).positive().show_default();
  };
  count("--rows", options->rows, "Embeddings, m");
  count("--width", options->width, "Width of each, d");
  command.add_option("--order", options->order, "Terms of the series")
      .between(1, 999)
      .show_default();
  command.add_option("--warmup", options->warmup, "Rounds before the timed ones").not_negative().show_default();
  count("--steps", options->steps, "Timed rounds");
  add_device_options(command, options->device);
  command.run([options] { run_bench_loss(*options); });
}

}  // namespace mec::cli
