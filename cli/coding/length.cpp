// mec coding length
#include "mec/cli/coding/coding.h"
#include "mec/cli/program.h"
#include "mec/cli/series_options.h"
#include "mec/ssl/losses/pair.h"
#include "mec/tensor/io/npy.h"

namespace mec::cli {

namespace {

struct LengthCommand {
  SetOptions set;
  SeriesOptions series;
  UnitOptions unit;
  std::string grad;
};

void run_length(const LengthCommand& options) {
  LengthOptions length = options.series.parse();
  length.normalize = !options.set.raw;
  const Device device = options.set.device.make();
  const Tensor z = read_vectors(options.set.z, device);
  const LengthResult result = coding_length(z, options.series.lambda(z), length, !options.grad.empty());
  if (result.dz) write_npy(options.grad, result.dz);
  const double value = result.length.item();
  print_line({{"coding_length", options.unit.of(value)},
              {"per_sample", options.unit.of(value / static_cast<double>(z.dim(0)))},
              {"rate", options.unit.of(result.rate.item())},
              {"unit", options.unit.name()},
              {"norm", result.norm.item()},
              {"converges", result.converges.item() == 1},
              {"eps2", options.series.eps2},
              {"m", z.dim(0)},
              {"d", z.dim(1)}});
}

}  // namespace

void add_coding_length(Command coding) {
  const auto options = std::make_shared<LengthCommand>();
  Command command =
      coding.add_subcommand("length", "Coding length L(Z) of one set, its rate, and whether the series converges");
  add_set_options(command, options->set);
  add_series_options(command, options->series);
  add_unit_option(command, options->unit);
  command.add_option("--grad", options->grad, "Write the gradient of L in nats here, .npy");
  command.run([options] { run_length(*options); });
}

}  // namespace mec::cli
