#include <iostream>
#include <optional>

#include <nlohmann/json.hpp>

#include "mec/cli/commands.h"
#include "mec/cli/options.h"
#include "mec/cli/program.h"
#include "mec/eval/features.h"
#include "mec/eval/spectral_norm.h"
#include "mec/ssl/coding/pair.h"
#include "mec/tensor/io/npy.h"
#include "mec/tensor/ops.h"

namespace mec::cli {

namespace {

struct LossOptions {
  std::string p, z;
  double eps2 = 64;
  std::string order = "4";
  Side side = Side::automatic;
  bool symmetrize = false;
  std::string grad_p, grad_z;
  DeviceOptions device;
};

CodingOptions coding_options(const LossOptions& options) {
  if (options.symmetrize && options.side == Side::feature) {
    throw UsageError("--symmetrize needs the batch side: the traces of the two sides then differ");
  }
  if (!options.grad_p.empty() && options.grad_p == options.grad_z) {
    throw UsageError(concat("--grad-p and --grad-z both name ", options.grad_p, "; each gradient needs a file of its own"));
  }
  CodingOptions coding{.side = options.side, .symmetrize = options.symmetrize};
  coding.exact = options.order == "exact";
  if (coding.exact) return coding;
  if (!CLI::detail::lexical_cast(options.order, coding.order)) {
    throw UsageError(concat("--order is a whole number or 'exact', but is '", options.order, "'"));
  }
  return coding;
}

struct Embeddings {
  Tensor values;  // f64, so that what is printed is good to many digits
  Dtype dtype;    // of the file
};

Embeddings read_embeddings(const std::string& path, const Device& device) {
  const Tensor x = read_npy(path, device);
  check<DtypeError>(is_floating(x.dtype()), path, ": embeddings are f32 or f64, but the array is ", x.dtype());
  check<ShapeError>(x.rank() == 2, path, ": embeddings are a matrix (m,d), but the array is ", x.shape());
  check_finite(x, path);
  return {x.to(Dtype::f64), x.dtype()};
}

void run_loss(const LossOptions& options) {
  const CodingOptions coding = coding_options(options);
  const Device device = options.device.make();
  const Embeddings p = read_embeddings(options.p, device), z = read_embeddings(options.z, device);
  check<ShapeError>(p.values.shape() == z.values.shape() && p.values.numel() > 0, "mec: ", options.p, " is ", p.values.shape(),
                    " and ", options.z, " is ", z.values.shape(), ", but both must be (m,d), and not empty");
  const std::int64_t m = p.values.dim(0), d = p.values.dim(1);
  const double lambda = coding_lambda(m, d, options.eps2);
  const CodingResult result = coding_length_pair(p.values, z.values, Tensor::full({1}, lambda, Dtype::f64, device), coding,
                                                 {.dp = !options.grad_p.empty(), .dz = !options.grad_z.empty()});
  const auto record = result.record.to_vector<double>();
  const double norm = lambda * spectral_norm_of_product(normalize_rows(p.values).y, normalize_rows(z.values).y);
  check<NumericalError>(at(record, CodingRecord::sign) > 0,
                        "mec: det(I + C) ≤ 0, so its logarithm does not exist (the norm of C is ", norm,
                        "); raise --eps2 above ", options.eps2 * norm, ", or use a series (--order 4)");

  // Both files or neither: the first appears when the second is complete.
  std::optional<AtomicFile> grad_p, grad_z;
  if (result.dp) write_npy(grad_p.emplace(options.grad_p), result.dp.to(p.dtype));
  if (result.dz) write_npy(grad_z.emplace(options.grad_z), result.dz.to(z.dtype));
  if (grad_p) grad_p->commit();
  if (grad_z) grad_z->commit();
  const double coding_length = at(record, CodingRecord::coding_length);
  const nlohmann::ordered_json out{{"loss", at(record, CodingRecord::loss)},
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

void add_loss(CLI::App& program) {
  CLI::App* loss = program.add_subcommand("loss", "The value of an objective for embeddings in files");
  loss->require_subcommand(1);
  const auto options = std::make_shared<LossOptions>();
  CLI::App* command =
      loss->add_subcommand("mec", "Maximum entropy coding: loss, coding length, and whether the series converges");
  command->add_option("--p", options->p, "Student embeddings (m,d), .npy, f32 or f64; rows are normalised")->required();
  command->add_option("--z", options->z, "Teacher embeddings, the same size")->required();
  command->add_option("--eps2", options->eps2, "Distortion")->capture_default_str();
  command->add_option("--order", options->order, "Terms of the series, or exact: log det")->capture_default_str();
  const std::map<std::string, Side> sides{{"auto", Side::automatic}, {"batch", Side::batch}, {"feature", Side::feature}};
  command->add_option("--side", options->side, "auto, batch (m,m) or feature (d,d)")->transform(CLI::CheckedTransformer(sides));
  command->add_flag("--symmetrize", options->symmetrize, "(C + Cᵀ)/2 for C; batch side only");
  command->add_option("--grad-p", options->grad_p, "Write the gradient of P here, .npy");
  command->add_option("--grad-z", options->grad_z, "Write the gradient of Z here, .npy");
  add_device_options(*command, options->device);
  command->callback([options] { run_loss(*options); });
}

}  // namespace mec::cli
