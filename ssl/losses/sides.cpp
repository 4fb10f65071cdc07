#include "mec/ssl/losses/sides.h"

namespace mec {

namespace {

// In flops. `numbers` come from all ranks, so that all but this rank's own have to be sent.
double cost(const BatchSize& batch, double flops, double numbers) {
  const double others = 1 - 1.0 / batch.ranks;
  return flops + kFlopsPerByte * static_cast<double>(size_of(batch.dtype)) * others * numbers;
}

}  // namespace

bool batch_side_is_cheaper(const BatchSize& batch, double products) {
  const auto m = static_cast<double>(batch.rows), d = static_cast<double>(batch.width),
             ranks = static_cast<double>(batch.ranks);
  const double batch_side = cost(batch, 4 * m * m * d / ranks + 2 * products * m * m * m, m * d + m * m),
               feature_side = cost(batch, 4 * m * d * d / ranks + 2 * products * d * d * d, 2 * d * d);
  return batch_side <= feature_side;
}

bool feature_sums_are_cheaper(const BatchSize& batch) {
  const auto m = static_cast<double>(batch.rows), d = static_cast<double>(batch.width),
             ranks = static_cast<double>(batch.ranks);
  return cost(batch, 4 * m * d * d / ranks, 2 * d * d) <= cost(batch, 4 * m * d * d, m * d);
}

}  // namespace mec
