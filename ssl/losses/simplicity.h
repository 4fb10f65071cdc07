// Simplicity by compression: the size of quantised numbers after DEFLATE. A network that is biased
// towards simple functions has weights and features that compress well; compare with the coding
// length L(Z) of the features. A diagnostic: on the host, no gradient.
#pragma once

#include "mec/tensor/tensor.h"

namespace mec {

struct Deflated {
  std::int64_t values = 0;    // how many numbers
  std::int64_t deflated = 0;  // bytes after zlib at level 9, from one byte for each number
  // Entropy of their histogram, in bits for each number: the size that is reached without finding
  // any pattern in their order.
  double entropy = 0;

  double bits_per_value() const { return 8 * static_cast<double>(deflated) / static_cast<double>(values); }
};

// Quantises every tensor to 256 steps of equal width between its smallest and largest number (a
// constant tensor is all 0), and compresses the bytes of all tensors as one sequence. Any floating
// dtype. IoError in a build without zlib; ValueError for no numbers, or one that is not finite.
Deflated deflated_size(const std::vector<Tensor>& tensors);

}  // namespace mec
