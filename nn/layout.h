// Parameters in memory differ from parameters in files in two ways: convolution weights are OHWI,
// not OIHW, and a device may store images with more channels than they have
// (Backend::image_channels); the first convolution's weight then has as many. These copies pass
// through the host: for set-up and files only.
#pragma once

#include "mec/tensor/tensor.h"

namespace mec {

// (…,C) with its last dimension cut, or filled up with zeros, to `channels`.
Tensor with_channels(const Tensor& t, std::int64_t channels);
Shape with_channels(const Shape& shape, std::int64_t channels);

Tensor ohwi_to_oihw(const Tensor& weight);
Tensor oihw_to_ohwi(const Tensor& weight);

// Both conversions at once, of a parameter or a tensor that belongs to it (its momentum), from
// memory to file and back. `file_channels`: see Parameter; 0: all channels.
Tensor to_file_form(const Tensor& t, std::int64_t file_channels);
Shape file_shape(const Shape& in_memory, std::int64_t file_channels);
Tensor to_memory_form(const Tensor& in_file, const Shape& in_memory, std::int64_t file_channels);

}  // namespace mec
