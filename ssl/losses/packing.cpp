#include "mec/ssl/losses/packing.h"

#include <algorithm>
#include <span>

#include "mec/ssl/losses/length.h"
#include "mec/ssl/losses/pair.h"
#include "mec/tensor/ops.h"

namespace mec {

std::vector<std::int64_t> epsilon_net(const Tensor& z, double eps2) {
  check<ShapeError>(z && z.rank() == 2 && z.numel() > 0, "epsilon net: the vectors are the rows of a matrix (m,d), but got ",
                    z.shape());
  check<ValueError>(eps2 > 0, "epsilon net: eps2 is positive, but is ", eps2);
  const auto values = z.to(Dtype::f64).to_vector<double>();
  const auto d = static_cast<std::size_t>(z.dim(1));
  const auto row = [&](std::int64_t i) { return std::span(values).subspan(static_cast<std::size_t>(i) * d, d); };
  std::vector<std::int64_t> centres;
  for (std::int64_t i = 0; i < z.dim(0); ++i) {
    const bool covered = std::ranges::any_of(centres, [&](std::int64_t centre) {
      double distance = 0;
      for (std::size_t c = 0; c < d; ++c) distance += (row(i)[c] - row(centre)[c]) * (row(i)[c] - row(centre)[c]);
      return distance <= eps2;
    });
    if (!covered) centres.push_back(i);
  }
  return centres;
}

std::vector<Packing> sphere_packing(const Tensor& z, const std::vector<double>& eps2) {
  for (const double value : eps2) {
    check<ValueError>(value > 0 && value < 4,
                      "packing: eps2 lies between 0 and 4, the largest squared distance on the unit sphere, "
                      "but is ",
                      value);
  }
  const Tensor unit = normalize_rows(z).y;
  std::vector<Packing> out;
  for (const double value : eps2) {
    const Tensor rate = coding_length(unit, coding_lambda(z, value), {.normalize = false}, false).rate;
    out.push_back(
        {.eps2 = value, .net = static_cast<std::int64_t>(epsilon_net(unit, value).size()), .log_packing = rate.item()});
  }
  return out;
}

}  // namespace mec
