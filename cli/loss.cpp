#include <iostream>

#include <nlohmann/json.hpp>

#include "mec/cli/commands.h"
#include "mec/cli/embedding_files.h"
#include "mec/cli/options.h"
#include "mec/cli/program.h"
#include "mec/cli/series_options.h"
#include "mec/eval/spectral_norm.h"
#include "mec/ssl/losses/pair.h"
#include "mec/tensor/ops.h"

namespace mec::cli {

namespace {

struct LossOptions {
  EmbeddingPaths paths;
  SeriesOptions series{.order = "4"};
  bool symmetrize = false;
  DeviceOptions device;
};

CodingOptions coding_options(const LossOptions& options) {
  if (options.symmetrize && options.series.side == Side::feature) {
    throw UsageError("--symmetrize needs the batch side: the traces of the two sides then differ");
  }
  const LengthOptions series = options.series.parse();
  return {.order = series.order, .exact = series.exact, .side = series.side, .symmetrize = options.symmetrize};
}

void run_loss(const LossOptions& options) {
  const CodingOptions coding = coding_options(options);
  const Device device = options.device.make();
  const EmbeddingPair pair = read_pair(options.paths, device);
  const Tensor &p = pair.p.values, &z = pair.z.values;
  const std::int64_t m = p.dim(0), d = p.dim(1);
  const double lambda = coding_lambda(m, d, options.series.eps2);
  const CodingResult result = coding_length_pair(p, z, options.series.lambda(z), coding,
                                                 {.dp = !options.paths.grad_p.empty(), .dz = !options.paths.grad_z.empty()});
  const auto metrics = result.metrics.to_vector<double>();
  const double norm = lambda * spectral_norm_of_product(normalize_rows(p).y, normalize_rows(z).y);
  check<NumericalError>(at(metrics, CodingMetric::sign) > 0,
                        "mec: det(I + C) ≤ 0, so its logarithm does not exist (the norm of C is ", norm,
                        "); raise --eps2 above ", options.series.eps2 * norm, ", or use a series (--order 4)");

  write_gradients(options.paths, pair, result.dp, result.dz);
  const double coding_length = at(metrics, CodingMetric::coding_length);
  const nlohmann::ordered_json out{{"loss", at(metrics, CodingMetric::loss)},
                                   {"coding_length", coding_length},
                                   {"per_sample", coding_length / static_cast<double>(m)},
                                   {"spectral_norm", norm},
                                   {"norm_below_one", norm < 1},
                                   {"lambda", lambda},
                                   {"m", m},
                                   {"d", d}};
  std::cout << out.dump() << "\n";
}

}  // namespace

void add_loss(Command program) {
  Command loss = program.add_subcommand("loss", "The value of an objective for embeddings in files");
  loss.require_subcommand();
  const auto options = std::make_shared<LossOptions>();
  Command command = loss.add_subcommand("mec", "Maximum entropy coding: loss, coding length, and whether the series converges");
  command.add_option("--p", options->paths.p, "Student embeddings (m,d), .npy, f32 or f64; rows are normalised").required();
  command.add_option("--z", options->paths.z, "Teacher embeddings, the same size").required();
  add_series_options(command, options->series);
  command.add_flag("--symmetrize", options->symmetrize, "(C + Cᵀ)/2 for C; batch side only");
  command.add_option("--grad-p", options->paths.grad_p, "Write the gradient of P here, .npy");
  command.add_option("--grad-z", options->paths.grad_z, "Write the gradient of Z here, .npy");
  add_device_options(command, options->device);
  command.run([options] { run_loss(*options); });
  add_method_losses(loss);
}

}  // namespace mec::cli
