// The element types of products: the result has the operands' type, or is f32 for bf16 operands.
#pragma once

#include "mec/tensor/dtype.h"

namespace mec::reference {

// Calls f.template operator()<Operand, Result>().
template <class F> void dispatch_product(const char* op, Dtype operand, Dtype result, F&& f) {
  dispatch_floating(op, operand, [&]<class T>() {
    if (result == operand) f.template operator()<T, T>();
    else f.template operator()<T, Accumulator<T>>();
  });
}

}  // namespace mec::reference
