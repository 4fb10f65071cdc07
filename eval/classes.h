// Classes by name: two data sets, and two splits of one, may number the same classes differently.
#pragma once

#include <string>
#include <vector>

#include "mec/data/dataset.h"
#include "mec/eval/features.h"

namespace mec {

// The labels of `test` as `train` numbers its classes. A class is its name; where features have no
// class names, its number is its name. ValueError lists the classes of test rows that no training
// row has (these rows could only be wrong), and says where there are no labels at all.
std::vector<std::int32_t> labels_as_in(const Features& train, const Features& test);

// Throws the errors that labels_as_in() would throw for these images, before any image is read.
void check_classes(const Dataset& train, const Dataset& test);

// The class of an image; "" without labels.
std::string class_of(const Dataset& dataset, std::int64_t i);

// The labels as positions in `classes`; names that it lacks are appended. Empty without labels.
std::vector<std::int32_t> join_classes(std::vector<std::string>& classes, const Features& features);

}  // namespace mec
