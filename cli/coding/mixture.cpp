// mec coding mixture, and mec coding rate-reduction
#include <algorithm>

#include "mec/cli/coding/coding.h"
#include "mec/cli/program.h"
#include "mec/cli/series_options.h"
#include "mec/ssl/losses/kmeans.h"
#include "mec/ssl/losses/rate_reduction.h"
#include "mec/tensor/io/npy.h"
#include "mec/tensor/ops.h"

namespace mec::cli {

namespace {

// Where the memberships come from: exactly one of labels, memberships, prototypes and k-means.
struct MembershipOptions {
  std::string labels, memberships, prototypes;
  std::int64_t components = 0;  // k-means
  double temperature = 0.1;
  std::uint64_t seed = 0;
};

struct MixtureCommand {
  SetOptions set;
  SeriesOptions series;
  UnitOptions unit;
  MembershipOptions membership;
  std::string form = "finite";
  bool no_membership = false;
  std::string p, grad;
};

void add_membership_options(Command command, MembershipOptions& options) {
  Command source = command.add_choice_of_one("memberships", "Source of the memberships: one of these");
  source.add_option("--labels", options.labels, "Labels (m), .npy, integers from 0");
  source.add_option("--memberships", options.memberships, "Soft memberships (m,k), .npy; rows sum to 1");
  source.add_option("--kmeans", options.components, "k-means with so many components, on the rows as they are coded")
      .positive();
  source.add_option("--prototypes", options.prototypes, "Softmax over the cosines with these (k,d), .npy");
  command.add_option("--temperature", options.temperature, "Of the softmax over prototypes").show_default();
  command.add_option("--seed", options.seed, "Of k-means' start").show_default();
}

// More classes than any data set has, so a larger label is an error.
constexpr std::int64_t kMaxLabel = 999'999;

Memberships read_labels(const std::string& path, const Tensor& z) {
  const Tensor raw = read_npy(path, z.device());
  check<DtypeError>(!is_floating(raw.dtype()), path, ": labels are integers, but the array is ", raw.dtype(),
                    "; for soft memberships use --memberships");
  check<ShapeError>(raw.rank() == 1 && raw.dim(0) == z.dim(0), path, ": a label for each of the ", z.dim(0),
                    " vectors, but the array is ", raw.shape());
  std::vector<std::int32_t> labels;
  for (const std::int64_t label : raw.to(Dtype::i64).to_vector<std::int64_t>()) {
    check<ValueError>(label >= 0 && label <= kMaxLabel, path, ": labels are between 0 and ", kMaxLabel, ", but label ",
                      labels.size(), " is ", label);
    labels.push_back(static_cast<std::int32_t>(label));
  }
  return Memberships::hard(labels, std::int64_t{*std::ranges::max_element(labels)} + 1, z.dtype(), z.device());
}

Memberships read_memberships(const MembershipOptions& options, const Tensor& z, bool raw) {
  if (!options.labels.empty()) return read_labels(options.labels, z);
  if (!options.memberships.empty()) {
    const Tensor weights = read_npy(options.memberships, z.device());
    check_memberships(weights, options.memberships);
    return Memberships::soft(weights.to(z.dtype()));
  }
  if (!options.prototypes.empty()) {
    const Tensor prototypes = read_vectors(options.prototypes, z.device());
    return Memberships::soft(prototype_memberships(z, prototypes, options.temperature));
  }
  const KMeans found = kmeans(raw ? z : normalize_rows(z).y, {.components = options.components, .seed = options.seed});
  return Memberships::hard(found.labels, options.components, z.dtype(), z.device());
}

void run_pair(const MixtureCommand& options, const LengthOptions& length, const Tensor& z, const Memberships& memberships) {
  const Tensor p = read_vectors(options.p, z.device());
  const MixtureForm form = options.form == "limit" ? MixtureForm::limit : MixtureForm::finite;
  const MixturePair pair =
      mixture_pair(p, z, memberships, options.series.lambda(z),
                   {.pair = {.order = length.order, .exact = length.exact, .side = length.side}, .form = form},
                   {.dp = !options.grad.empty()});
  const auto metrics = pair.metrics.to_vector<double>();
  const auto k = memberships.components();
  const auto norms = metrics.begin() + static_cast<int>(MixtureMetric::count);
  check<NumericalError>(
      std::all_of(norms + k, norms + 2 * k, [](double sign) { return sign > 0; }),
      "mixture coding length: det(I + C) ≤ 0 for a component, so its logarithm does not exist; raise --eps2 above ",
      options.series.eps2, ", or use a series (--order 4)");
  if (pair.dp) write_npy(options.grad, pair.dp);
  print_line({{"loss", metrics[0]},
              {"coding_length", options.unit.of(metrics[1])},
              {"membership", options.unit.of(metrics[2])},
              {"unit", options.unit.name()},
              {"form", options.form},
              {"components", k},
              {"norms", std::vector<double>(norms, norms + k)},
              {"m", z.dim(0)},
              {"d", z.dim(1)}});
}

void run_mixture(const MixtureCommand& options) {
  if (!options.p.empty() && options.set.raw) throw UsageError("--p and --raw exclude each other: a pair's rows are normalised");
  LengthOptions length = options.series.parse();
  length.normalize = !options.set.raw;
  const Tensor z = read_vectors(options.set.z, options.set.device.make());
  const Memberships memberships = read_memberships(options.membership, z, options.set.raw);
  if (!options.p.empty()) return run_pair(options, length, z, memberships);
  const bool finite = options.form == "finite";
  const MixtureResult result = mixture_coding_length(
      z, memberships, options.series.lambda(z),
      {.length = length, .form = finite ? MixtureForm::finite : MixtureForm::limit, .membership_term = !options.no_membership},
      !options.grad.empty());
  if (result.dz) write_npy(options.grad, result.dz);
  const auto converges = result.converges.to_vector<double>();
  print_line({{"coding_length", options.unit.of(result.length.item())},
              {"per", finite ? "set" : "sample"},
              {"membership", options.unit.of(result.membership.item())},
              {"membership_counted", !options.no_membership},
              {"unit", options.unit.name()},
              {"form", options.form},
              {"components", memberships.components()},
              {"sizes", memberships.sizes().to_vector<double>()},
              {"norms", result.norms.to_vector<double>()},
              {"converges", std::ranges::all_of(converges, [](double one) { return one == 1; })},
              {"m", z.dim(0)},
              {"d", z.dim(1)}});
}

void run_rate_reduction(const MixtureCommand& options) {
  LengthOptions length = options.series.parse();
  length.normalize = !options.set.raw;
  const Tensor z = read_vectors(options.set.z, options.set.device.make());
  const Memberships memberships = read_memberships(options.membership, z, options.set.raw);
  const RateReduction result = rate_reduction(z, memberships, options.series.lambda(z), length, !options.grad.empty());
  if (result.dz) write_npy(options.grad, result.dz);
  print_line({{"rate_reduction", options.unit.of(result.reduction.item())},
              {"rate", options.unit.of(result.whole.item())},
              {"rate_of_components", options.unit.of(result.components.item())},
              {"unit", options.unit.name()},
              {"components", memberships.components()},
              {"m", z.dim(0)},
              {"d", z.dim(1)}});
}

Command add_common(Command coding, const char* name, const char* what, MixtureCommand& options) {
  Command command = coding.add_subcommand(name, what);
  add_set_options(command, options.set);
  add_series_options(command, options.series);
  add_unit_option(command, options.unit);
  add_membership_options(command, options.membership);
  return command;
}

}  // namespace

void add_coding_mixture(Command coding) {
  const auto options = std::make_shared<MixtureCommand>(), reduction = std::make_shared<MixtureCommand>();
  Command command = add_common(coding, "mixture", "Coding length of a set whose vectors belong to components", *options);
  command.add_option("--form", options->form, "finite: of the m vectors; limit: of each vector as m grows without bound")
      .one_of({"finite", "limit"})
      .show_default();
  command.add_flag("--no-membership", options->no_membership, "Leave out the membership term");
  command.add_option("--p", options->p, "Student embeddings (m,d), .npy: the loss of the pair, with memberships of --z");
  command.add_option("--grad", options->grad, "Write the gradient here, .npy: of the length by --z, or of the loss by --p");
  command.run([options] { run_mixture(*options); });

  Command second = add_common(coding, "rate-reduction", "Rate of the whole minus rates of the components (MCR²)", *reduction);
  second.add_option("--grad", reduction->grad, "Write the gradient of the reduction in nats here, .npy");
  second.run([reduction] { run_rate_reduction(*reduction); });
}

}  // namespace mec::cli
