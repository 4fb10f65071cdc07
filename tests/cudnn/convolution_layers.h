// The convolutions that training asks of a device, collected by walking the real networks forward
// and backward.
#pragma once

#include <string>
#include <vector>

#include "mec/nn/resnet.h"
#include "mec/tensor/backends/cuda/cudnn/convolution_key.h"

namespace mec::test {

struct TrainedNetwork {
  ResNetConfig net;
  std::int64_t size;   // pixels on a side
  std::int64_t batch;  // N
};

// Each distinct convolution of a step, in f32 or bf16; images are stored with 8 channels, as on a
// GPU. Gradients of weights are asked for in f32.
std::vector<cuda::ConvolutionKey> convolutions_of(const TrainedNetwork& network, Dtype dtype);

// ResNet-18, -34 and -50 as each file in examples/configs trains and evaluates them, with the
// network that the file names, and for ImageNet at 224 pixels, 256 of them.
std::vector<TrainedNetwork> trained_networks();

}  // namespace mec::test
