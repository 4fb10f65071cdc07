// Every operation on tensors. Each validates, works out the result's shape, allocates, and calls
// the backend of its inputs.
#pragma once

#include "mec/tensor/ops/batch_norm.h"
#include "mec/tensor/ops/coding.h"
#include "mec/tensor/ops/convolution.h"
#include "mec/tensor/ops/dimension.h"
#include "mec/tensor/ops/elementwise.h"
#include "mec/tensor/ops/linalg.h"
#include "mec/tensor/ops/matmul.h"
#include "mec/tensor/ops/operators.h"
#include "mec/tensor/ops/optimizer.h"
#include "mec/tensor/ops/pooling.h"
#include "mec/tensor/ops/rows.h"
#include "mec/tensor/ops/tsne.h"
#include "mec/tensor/ops/views.h"
