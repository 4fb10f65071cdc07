// The nearest rows of one set of features to each row of another.
#pragma once

#include <cstdint>
#include <vector>

#include "mec/tensor/ops/rows.h"
#include "mec/tensor/tensor.h"

namespace mec {

enum class Distance { cosine, euclidean };

// Rows x (M,d) and the rows (N,d) that they are compared with, made ready once.
class NearestRows {
 public:
  // center: the mean of `rows` is subtracted from both; without effect on euclidean distances.
  // ShapeError when the widths differ.
  NearestRows(const Tensor& rows, const Tensor& x, Distance distance, bool center);

  // Of rows [begin, end) of x, the k nearest: (end − begin,k), the nearest first, of equally near
  // ones the lowest. Values are cosines, or square(row) less the squared distance.
  TopK find(std::int64_t begin, std::int64_t end, std::int64_t k) const;
  double square(std::int64_t row) const;  // of x, where distances are euclidean; 0 otherwise
  std::int64_t at_a_time() const;         // so many rows of x, that similarities take little memory

 private:
  Tensor rows_;         // (N,d)
  Tensor x_;            // (M,d)
  Tensor row_squares_;  // (N), squared lengths; euclidean only
  std::vector<float> x_squares_;
};

struct Neighbours {
  std::int64_t k = 0;
  std::vector<std::int32_t> index;  // (M,k) of the rows, the nearest first
  std::vector<float> cosine;        // (M,k)
};

// By cosine, as kNN looks for them. `own`: for each row of x the row that it is itself, which is no
// neighbour; empty where x are others. ValueError unless there are k others.
Neighbours find_neighbours(const Tensor& rows, const Tensor& x, std::int64_t k, const std::vector<std::int64_t>& own = {});

}  // namespace mec
