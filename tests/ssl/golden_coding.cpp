// Coding lengths, mixtures, rate reduction and KL against PyTorch: values and gradients, m < d and
// m > d.
#include <doctest/doctest.h>

#include "mec/ssl/losses/gaussian_mixture_kl.h"
#include "mec/ssl/losses/kernel_density_kl.h"
#include "mec/ssl/losses/rate_reduction.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "support/golden.h"

using namespace mec;
using namespace mec::test;

namespace {

struct Inputs {
  Tensor p, z, lambda;
  Memberships soft, hard;
};

Inputs read_inputs(const Golden& golden, Dtype dtype) {
  Inputs in{.p = golden.at("p", dtype), .z = golden.at("z", dtype), .lambda = {}, .soft = {}, .hard = {}};
  in.lambda = Tensor::full({1}, coding_lambda(in.z.dim(0), in.z.dim(1), golden.number("eps2")), dtype, in.z.device());
  in.soft = Memberships::soft(golden.at("soft", dtype));
  in.hard =
      Memberships::hard(golden.at("labels", Dtype::i32).to_vector<std::int32_t>(), golden.integer("k"), dtype, in.z.device());
  return in;
}

void check_result(const Golden& golden, const std::string& name, const Tensor& value, const Tensor& dz, const Tensor& dp = {}) {
  for (const auto& [suffix, answer] : {std::pair("", value), std::pair(".grad_z", dz), std::pair(".grad_p", dp)}) {
    if (!answer) continue;
    const Comparison same = golden.compare(name + suffix, answer);
    CHECK_MESSAGE(same.ok, same.message);
  }
}

void check_mixtures(const Golden& golden, const Inputs& in, const LengthOptions& length, const std::string& kind) {
  for (const bool soft : {true, false}) {
    const Memberships& memberships = soft ? in.soft : in.hard;
    const std::string who = soft ? "soft_" : "hard_";
    for (const bool finite : {true, false}) {
      const MixtureForm form = finite ? MixtureForm::finite : MixtureForm::limit;
      const std::string name = who + (finite ? "finite" : "limit") + kind;
      const MixtureResult mixture = mixture_coding_length(in.z, memberships, in.lambda, {.length = length, .form = form});
      check_result(golden, "mixture_" + name, mixture.length, mixture.dz);
      const CodingOptions options{.order = length.order, .exact = length.exact, .side = length.side};
      const MixturePair pair =
          mixture_pair(in.p, in.z, memberships, in.lambda, {.pair = options, .form = form}, {.dp = true, .dz = true});
      check_result(golden, "pair_" + name, pair.metrics.segment(0, {1}), pair.dz, pair.dp);
    }
    const RateReduction reduction = rate_reduction(in.z, memberships, in.lambda, length);
    check_result(golden, "reduction_" + who.substr(0, 4) + kind, reduction.reduction, reduction.dz);
  }
}

}  // namespace

TEST_CASE("coding lengths, mixture lengths, pair losses and rate reductions are PyTorch's, with their gradients") {
  for (const char* name : {"coding_m_below_d", "coding_m_above_d"}) {
    for (const GoldenSetting& setting : kGoldenSettings) {
      const std::string where = concat(name, " on ", setting.device, ", ", setting.dtype);
      CAPTURE(where);
      const Golden golden(name, make_device(setting.device));
      const Inputs in = read_inputs(golden, setting.dtype);
      for (const bool exact : {true, false}) {
        for (const Side side : {Side::batch, Side::feature, Side::automatic}) {
          const LengthOptions options{.exact = exact, .order = golden.integer("order"), .side = side};
          const std::string kind = exact ? "_exact" : "_series";
          const LengthResult length = coding_length(in.z, in.lambda, options);
          check_result(golden, "length" + kind, length.length, length.dz);
          check_mixtures(golden, in, options, kind);
        }
      }
    }
  }
}

TEST_CASE("KL between a batch's kernel density and a mixture is PyTorch's, with its gradient") {
  for (const char* name : {"coding_m_below_d", "coding_m_above_d"}) {
    for (const GoldenSetting& setting : kGoldenSettings) {
      const Golden golden(name, make_device(setting.device));
      const DiagonalMixture mixture{log(golden.at("g_weights", setting.dtype)), golden.at("g_means", setting.dtype),
                                    golden.at("g_variances", setting.dtype)};
      for (const auto& [kind, estimate] :
           {std::pair("variational", KlEstimate::variational), std::pair("product", KlEstimate::product),
            std::pair("lower", KlEstimate::lower), std::pair("upper", KlEstimate::upper)}) {
        const KernelDensityKl kl = kernel_density_kl(golden.at("z", setting.dtype), mixture,
                                                     {.estimate = estimate, .bandwidth = golden.number("bandwidth")});
        check_result(golden, concat("density_", kind), kl.value, kl.dz);
      }
    }
  }
}

TEST_CASE("the estimates of KL between two mixtures are those of torch.distributions") {
  const Device device = make_reference_device();
  const Golden golden("mixture_kl", device);
  const auto mixture = [&](const std::string& name) {
    const auto read = [&](const char* part) { return golden.at(name + part, Dtype::f64).to_vector<double>(); };
    return GaussianMixture(read("_weights"), read("_means"), read("_variances"));
  };
  const MixtureKl kl = mixture_kl(mixture("f"), mixture("g"));
  for (const auto& [name, value] : {std::pair("variational", kl.variational), std::pair("product", kl.product),
                                    std::pair("lower", kl.lower), std::pair("upper", kl.upper)}) {
    const Comparison same = golden.compare(name, Tensor::full({1}, value, Dtype::f64, device));
    CHECK_MESSAGE(same.ok, same.message);
  }
}
