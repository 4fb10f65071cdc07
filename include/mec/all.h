// What a first program needs: tensors and their operations, gradients, layers, residual networks,
// optimisers, objectives in Variables, devices, files of weights. A larger program includes what it
// uses.
#pragma once

#include "mec/autograd/gradcheck.h"
#include "mec/autograd/ops.h"
#include "mec/nn/batch_norm.h"
#include "mec/nn/convolution.h"
#include "mec/nn/files/weights.h"
#include "mec/nn/initialize.h"
#include "mec/nn/linear.h"
#include "mec/nn/optim/adamw.h"
#include "mec/nn/optim/schedule.h"
#include "mec/nn/optim/sgd.h"
#include "mec/nn/parameter_table.h"
#include "mec/nn/resnet.h"
#include "mec/nn/sequential.h"
#include "mec/ssl/methods/autograd_objective.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
