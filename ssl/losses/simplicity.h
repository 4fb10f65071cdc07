// Simplicity by compression: how short DEFLATE writes quantised numbers down. A network that is
// biased towards simple functions has weights and features that compress well; the coding length
// L(Z) says how much the features would have to say. A diagnostic: on the host, no gradient.
#pragma once

#include "mec/tensor/tensor.h"

namespace mec {

struct Deflated {
  std::int64_t values = 0;    // how many numbers
  std::int64_t deflated = 0;  // bytes after zlib at level 9, of one byte each
  // Bits for each number if they were drawn independently from their histogram: what counting alone
  // saves.
  double entropy = 0;

  double bits_per_value() const { return 8 * static_cast<double>(deflated) / static_cast<double>(values); }
};

// Every number of every tensor in 256 steps of equal width between its tensor's smallest and
// largest (a constant tensor is all 0), the bytes one after another. Any floating dtype. IoError in
// a build without zlib; ValueError for no numbers, or one that is not finite.
Deflated deflated_size(const std::vector<Tensor>& tensors);

}  // namespace mec
