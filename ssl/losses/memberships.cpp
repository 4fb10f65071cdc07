#include "mec/ssl/losses/memberships.h"

#include <algorithm>
#include <cmath>

#include "mec/ssl/losses/log_sum_exp.h"
#include "mec/tensor/ops.h"

namespace mec {

Memberships Memberships::soft(const Tensor& weights) {
  check<ShapeError>(weights && weights.rank() == 2 && weights.numel() > 0, "memberships: the weights are (m,k), but got ",
                    weights.shape());
  Memberships out;
  out.rows_ = weights.dim(0);
  out.sizes_ = sum(weights, 0);
  out.roots_ = sqrt(transpose(weights));
  return out;
}

Memberships Memberships::hard(const std::vector<std::int32_t>& labels, std::int64_t components, Dtype dtype,
                              const Device& device) {
  check<ValueError>(!labels.empty() && components >= 1, "memberships: ", labels.size(), " labels of ", components,
                    " components; at least one of each is needed");
  std::vector<std::int64_t> counts(static_cast<std::size_t>(components), 0);
  for (const std::int32_t label : labels) {
    check<ValueError>(label >= 0 && label < components, "memberships: labels lie in [0,", components, "), but one is ", label);
    ++counts[static_cast<std::size_t>(label)];
  }
  Memberships out;
  out.rows_ = static_cast<std::int64_t>(labels.size());
  out.offsets_.push_back(0);
  for (const std::int64_t count : counts) out.offsets_.push_back(out.offsets_.back() + count);

  std::vector<std::int64_t> next = out.offsets_, order(labels.size()), inverse(labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    inverse[i] = next[static_cast<std::size_t>(labels[i])]++;
    order[static_cast<std::size_t>(inverse[i])] = static_cast<std::int64_t>(i);
  }
  out.order_ = Tensor::from(order, {out.rows_}, device);
  out.inverse_ = Tensor::from(inverse, {out.rows_}, device);
  out.sizes_ = Tensor::from(std::vector<double>(counts.begin(), counts.end()), {components}, device).to(dtype);
  return out;
}

std::vector<Tensor> Memberships::split(const Tensor& z) const {
  check<ShapeError>(z.rank() == 2 && z.dim(0) == rows_, "memberships: they are of ", rows_, " vectors, but got ", z.shape());
  std::vector<Tensor> parts(static_cast<std::size_t>(components()));
  const Tensor sorted = order_ ? gather_rows(z, order_) : Tensor();
  for (std::size_t j = 0; j < parts.size(); ++j) {
    if (!order_) parts[j] = mul(z, roots_.segment(static_cast<std::int64_t>(j) * rows_, {rows_, 1}));
    else if (offsets_[j] < offsets_[j + 1]) parts[j] = sorted.rows(offsets_[j], offsets_[j + 1]);
  }
  return parts;
}

Tensor Memberships::join(const std::vector<Tensor>& parts) const {
  Tensor out;
  for (std::size_t j = 0; j < parts.size(); ++j) {
    const Tensor& part = parts[j];
    if (!part) continue;
    if (!out) out = Tensor::zeros({rows_, part.dim(1)}, part.dtype(), part.device());
    if (order_) out.rows(offsets_[j], offsets_[j + 1]).copy_from(part);
    else add_into(mul(part, roots_.segment(static_cast<std::int64_t>(j) * rows_, {rows_, 1})), out);
  }
  return order_ ? gather_rows(out, inverse_) : out;
}

void check_memberships(const Tensor& weights, const std::string& name) {
  constexpr double kTolerance = 1e-4;
  check<ShapeError>(weights.rank() == 2 && weights.numel() > 0, name, ": memberships are a matrix (m,k), but the array is ",
                    weights.shape());
  check<DtypeError>(weights.dtype() == Dtype::f32 || weights.dtype() == Dtype::f64, name,
                    ": memberships are f32 or f64, but the array is ", weights.dtype(), "; labels have an option of their own");
  const auto host = weights.to(Dtype::f64).to_vector<double>();
  const std::int64_t k = weights.dim(1);
  for (std::int64_t i = 0; i < weights.dim(0); ++i) {
    double sum = 0;
    for (std::int64_t j = 0; j < k; ++j) {
      const double weight = host[static_cast<std::size_t>(i * k + j)];
      check<ValueError>(weight >= 0, name, ": memberships are not negative, but the one at [", i, ",", j, "] is ", weight);
      sum += weight;
    }
    check<ValueError>(std::fabs(sum - 1) <= kTolerance, name, ": the memberships of a vector sum to 1, but row ", i,
                      " sums to ", sum);
  }
}

Tensor prototype_memberships(const Tensor& z, const Tensor& prototypes, double temperature) {
  check<ValueError>(temperature > 0, "memberships: the temperature is positive, but is ", temperature);
  check<ShapeError>(z.rank() == 2 && prototypes.rank() == 2 && z.dim(1) == prototypes.dim(1), "memberships: vectors ",
                    z.shape(), " and prototypes ", prototypes.shape(), " must be (m,d) and (k,d)");
  const Tensor cosines = matmul(normalize_rows(z).y, normalize_rows(prototypes).y, {.trans_b = true});
  return log_sum_exp_rows(scale(cosines, 1 / temperature)).softmax;
}

Tensor random_prototypes(std::int64_t d, const PrototypeOptions& options, Dtype dtype, const Device& device) {
  check<ValueError>(options.components >= 1 && options.temperature > 0 && options.rounds >= 0,
                    "prototypes: components are at least 1, the temperature is positive and rounds are not negative, but are ",
                    options.components, ", ", options.temperature, " and ", options.rounds);
  const std::uint32_t purpose = static_cast<std::uint32_t>(Purpose::prototypes) << 16;
  return normalize_rows(random({options.components, d}, dtype, device, {.seed = options.seed, .stream = {0, purpose, 0}})).y;
}

Tensor soft_kmeans(const Tensor& z, const Tensor& start, const PrototypeOptions& options) {
  const Tensor unit = normalize_rows(z).y;
  Tensor prototypes = start;
  for (int round = 0; round < options.rounds; ++round) {
    const Tensor weights = prototype_memberships(unit, prototypes, options.temperature);
    prototypes = normalize_rows(matmul(weights, unit, {.trans_a = true})).y;
  }
  return prototypes;
}

}  // namespace mec
