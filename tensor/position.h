// The position of an element in a tensor, as error messages write it.
#pragma once

#include <string>

#include "mec/tensor/shape.h"

namespace mec {

// "[3,0]" for element `flat` of the flattened tensor; "[]" for a scalar's.
inline std::string position_of(std::int64_t flat, const Shape& shape) {
  std::string text = "]";
  for (int i = shape.rank() - 1; i >= 0; --i) {
    text = concat(flat % shape[i], i + 1 < shape.rank() ? "," : "", text);
    flat /= shape[i];
  }
  return "[" + text;
}

}  // namespace mec
