// Parameters in memory differ from parameters in files in two ways: convolution weights are OHWI,
// not OIHW, and a device may store images with more channels than they have
// (Backend::image_channels), which the first convolution's weight follows. These copies pass
// through the host: for set-up and files only.
#pragma once

#include "mec/tensor/tensor.h"

namespace mec {

// (…,C) with its last dimension cut, or filled up with zeros, to `channels`.
Tensor with_channels(const Tensor& t, std::int64_t channels);
Shape with_channels(const Shape& shape, std::int64_t channels);

Tensor ohwi_to_oihw(const Tensor& weight);
Tensor oihw_to_ohwi(const Tensor& weight);

// A parameter, or what belongs to it, as it stands in files, and back: both at once.
// `file_channels` as Parameter's, 0: all of them.
Tensor to_file_form(const Tensor& t, std::int64_t file_channels);
Shape file_shape(const Shape& in_memory, std::int64_t file_channels);
Tensor to_memory_form(const Tensor& in_file, const Shape& in_memory, std::int64_t file_channels);

}  // namespace mec
