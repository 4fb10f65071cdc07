// Values that no network can have: what a damaged file, a run that diverged or a careless
// conversion leaves among weights.
#pragma once

#include <string>

#include "mec/tensor/tensor.h"

namespace mec {

// IoError with file, tensor, position and value for NaN, an infinity, a number beyond f32's range,
// or a negative one where `name` is of a variance, a second moment or a count of batches. Any
// dtype; the tensor is copied to the host.
void check_weight_values(const std::string& file, const std::string& name, const Tensor& tensor);

// The same finding as a text, without the file's name; empty where every value is valid.
std::string find_bad_value(const std::string& name, const Tensor& tensor);

}  // namespace mec
