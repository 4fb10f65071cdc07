// mec coding kl
#include "mec/cli/coding/coding.h"
#include "mec/cli/program.h"
#include "mec/ssl/losses/gaussian_mixture_kl.h"
#include "mec/ssl/losses/kernel_density_kl.h"
#include "mec/tensor/io/npy.h"
#include "mec/tensor/ops.h"

namespace mec::cli {

namespace {

struct MixtureFiles {
  std::string means, variances, weights;
  double variance = 0;  // isotropic, where there is no file
};

struct KlCommand {
  std::string z;
  bool raw = false;
  double bandwidth = 0.05;
  MixtureFiles f, g;
  int rounds = 10;
  std::int64_t samples = 10000;
  std::uint64_t seed = 0;
  UnitOptions unit;
  DeviceOptions device;
};

Option add_mixture_options(Command command, const std::string& name, MixtureFiles& files) {
  const Option means = command.add_option("--" + name + "-means", files.means, "Means of " + name + " (k,d), .npy");
  command.add_option("--" + name + "-variances", files.variances, "Variances of each coordinate (k,d), .npy");
  command.add_option("--" + name + "-variance", files.variance, "One variance for all instead").positive();
  command.add_option("--" + name + "-weights", files.weights, "Weights (k), .npy; default: equal");
  return means;
}

GaussianMixture read_mixture(const std::string& name, const MixtureFiles& files, const Device& device) {
  if (files.variances.empty() == (files.variance == 0)) {
    throw UsageError(concat("--", name, "-means needs one of --", name, "-variances and --", name, "-variance"));
  }
  const Tensor means = read_vectors(files.means, device);
  const auto k = means.dim(0);
  Tensor variances = Tensor::full(means.shape(), files.variance, Dtype::f64, device);
  if (!files.variances.empty()) variances = read_vectors(files.variances, device);
  check<ShapeError>(variances.shape() == means.shape(), files.variances, ": variances are as the means, ", means.shape(),
                    ", but the array is ", variances.shape());
  Tensor weights = Tensor::full({k}, 1 / static_cast<double>(k), Dtype::f64, device);
  if (!files.weights.empty()) {
    weights = read_npy(files.weights, device);
    check<ShapeError>(is_floating(weights.dtype()) && weights.shape() == Shape{k}, files.weights, ": ", k,
                      " floating weights are needed, but the array is ", weights.shape(), " ", weights.dtype());
    weights = weights.to(Dtype::f64);
  }
  return {weights.to_vector<double>(), means.to_vector<double>(), variances.to_vector<double>()};
}

void run_kl(const KlCommand& options) {
  if (options.z.empty() == options.f.means.empty()) {
    throw UsageError("one of --z (a batch, whose kernel density is f) and --f-means is needed");
  }
  const Device device = options.device.make();
  const GaussianMixture g = read_mixture("g", options.g, device);
  const GaussianMixture f = [&] {
    if (options.z.empty()) return read_mixture("f", options.f, device);
    const Tensor z = read_vectors(options.z, device);
    return GaussianMixture::kernel_density(options.raw ? z : normalize_rows(z).y, options.bandwidth);
  }();
  const MixtureKl kl = mixture_kl(f, g);
  nlohmann::ordered_json line{{"variational", options.unit.of(kl.variational)},
                              {"product", options.unit.of(kl.product)},
                              {"lower", options.unit.of(kl.lower)},
                              {"upper", options.unit.of(kl.upper)},
                              {"variational_upper", options.unit.of(variational_upper_kl(f, g, options.rounds))}};
  if (options.samples > 0) {
    const MonteCarloKl referee = monte_carlo_kl(f, g, options.samples, options.seed);
    line["monte_carlo"] = options.unit.of(referee.value);
    line["standard_error"] = options.unit.of(referee.standard_error);
    line["samples"] = options.samples;
  }
  line["unit"] = options.unit.name();
  line["f_components"] = f.size();
  line["g_components"] = g.size();
  line["d"] = g.width();
  print_line(line);
}

}  // namespace

void add_coding_kl(Command coding) {
  const auto options = std::make_shared<KlCommand>();
  Command command = coding.add_subcommand("kl", "KL(f || g) between Gaussian mixtures: estimates, bounds and Monte Carlo");
  command.add_option("--z", options->z, "f is the kernel density of these vectors (m,d), .npy, at unit length");
  command.add_flag("--raw", options->raw, "Take the rows of --z as they are");
  command.add_option("--bandwidth", options->bandwidth, "Variance of its kernels in each coordinate").positive().show_default();
  add_mixture_options(command, "f", options->f);
  add_mixture_options(command, "g", options->g).required();
  command.add_option("--rounds", options->rounds, "Updates of the variational upper bound").not_negative().show_default();
  command.add_option("--samples", options->samples, "Of Monte Carlo; 0: none").not_negative().show_default();
  command.add_option("--seed", options->seed, "Of the samples").show_default();
  add_unit_option(command, options->unit);
  add_device_options(command, options->device);
  command.run([options] { run_kl(*options); });
}

}  // namespace mec::cli
