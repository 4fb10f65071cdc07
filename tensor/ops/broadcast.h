// How shapes repeat to meet each other, by NumPy's rule: seen from the last dimension, sizes are
// equal, or one of them is 1 or absent and is repeated. Private to operations.
#pragma once

#include "mec/tensor/kernels/elementwise.h"

namespace mec::ops {

// The shape in which a and b meet. ShapeError, in the name of `op`, where they do not.
Shape broadcast_shape(const char* op, const Shape& a, const Shape& b);

// How operands of shapes a and b repeat over a result of shape y. Both must repeat to y.
BroadcastArgs broadcast(const Shape& y, const Shape& a, const Shape& b);

}  // namespace mec::ops
