// Differentiable operations. Each has its forward and its backward rule side by side in
// autograd/ops/<family>.cpp.
#pragma once

#include "mec/autograd/ops/batch_norm.h"
#include "mec/autograd/ops/convolution.h"
#include "mec/autograd/ops/dimension.h"
#include "mec/autograd/ops/elementwise.h"
#include "mec/autograd/ops/matmul.h"
#include "mec/autograd/ops/operators.h"
#include "mec/autograd/ops/pooling.h"
#include "mec/autograd/ops/rows.h"
