// The coding length of pairs against PyTorch: values and both gradients, for every order, both
// sides, m < d and m > d.
#include <doctest/doctest.h>

#include "mec/ssl/losses/pair.h"
#include "mec/tensor/devices.h"
#include "support/golden.h"

using namespace mec;
using namespace mec::test;

namespace {

void check_pair(const Golden& golden, Side side, Dtype dtype) {
  const Tensor p = golden.at("p", dtype), z = golden.at("z", dtype);
  const std::string order = golden.text("order");
  const CodingOptions options{.order = order == "exact" ? 1 : golden.integer("order"),
                              .exact = order == "exact",
                              .side = side,
                              .symmetrize = golden.integer("symmetrize") != 0};
  const double lambda = coding_lambda(p.dim(0), p.dim(1), golden.number("eps2"));
  const CodingResult result =
      coding_length_pair(p, z, Tensor::full({1}, lambda, dtype, p.device()), options, {.dp = true, .dz = true});

  const auto metric = [&](CodingMetric which) { return result.metrics.segment(static_cast<int>(which), {1}); };
  const std::pair<const char*, Tensor> answers[] = {{"loss", metric(CodingMetric::loss)},
                                                    {"coding_length", metric(CodingMetric::coding_length)},
                                                    {"grad_p", result.dp},
                                                    {"grad_z", result.dz}};
  for (const auto& [name, answer] : answers) {
    const Comparison same = golden.compare(name, answer);
    CHECK_MESSAGE(same.ok, same.message);
  }
  // Power iteration approaches the norm from below; between close singular values it may stop at
  // nine tenths.
  const double norm = metric(CodingMetric::spectral_norm).item(), exact = golden.at("spectral_norm", Dtype::f64).item();
  CHECK(norm <= exact * (dtype == Dtype::f64 ? 1 + 1e-10 : 1 + 1e-4));
  CHECK(norm >= 0.9 * exact);
}

}  // namespace

TEST_CASE("loss, coding length and both gradients of a pair are PyTorch's") {
  for (const char* sizes : {"m_below_d", "m_above_d"}) {
    for (const char* kind :
         {"order_1", "order_2", "order_3", "order_4", "exact", "order_2_symmetrized", "order_4_symmetrized"}) {
      for (const GoldenSetting& setting : kGoldenSettings) {
        const std::string name = concat("mec_", sizes, "_", kind);
        CAPTURE(name);
        const std::string where = concat(setting.device, ", ", setting.dtype);
        CAPTURE(where);
        const Golden golden(name, make_device(setting.device));
        check_pair(golden, Side::batch, setting.dtype);
        if (golden.integer("symmetrize") != 0) continue;  // defined for the batch side only
        check_pair(golden, Side::feature, setting.dtype);
        check_pair(golden, Side::automatic, setting.dtype);
      }
    }
  }
}
