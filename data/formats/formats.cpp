#include "mec/data/formats/formats.h"

#include <algorithm>

#include "mec/tensor/error.h"
#include "mec/tensor/text.h"

namespace mec::formats {

// One line each; formats/<file>.cpp defines <name>_format(). The order is that of help texts.
// clang-format off
#define MEC_FORMATS(format) \
  format(mnist)             \
  format(fashion_mnist)     \
  format(cifar10)           \
  format(cifar100)          \
  format(folder)
// clang-format on

#define MEC_DECLARE(name) Format name##_format();
MEC_FORMATS(MEC_DECLARE)
#undef MEC_DECLARE

const std::vector<Format>& formats() {
#define MEC_DESCRIBE(name) name##_format(),
  static const std::vector<Format> table{MEC_FORMATS(MEC_DESCRIBE)};
#undef MEC_DESCRIBE
  return table;
}

const Format& find_format(const std::string& kind) {
  const auto found = std::ranges::find(formats(), kind, &Format::kind);
  check<ValueError>(found != formats().end(), "open_dataset: no data set is of kind '", kind, "'; there are ",
                    data_kinds());
  return *found;
}

}  // namespace mec::formats

namespace mec {

std::string data_kinds() {
  std::vector<std::string> kinds{"auto"};
  for (const formats::Format& format : formats::formats()) kinds.push_back(format.kind);
  return listed(kinds);
}

std::string normalization_presets() {
  std::vector<std::string> names;
  for (const formats::Format& format : formats::formats()) names.push_back(format.statistics);
  return listed(names);
}

Normalization normalization_preset(const std::string& name) {
  const auto found = std::ranges::find(formats::formats(), name, &formats::Format::statistics);
  check<ValueError>(found != formats::formats().end(), "no normalization preset is named '", name, "'; there are ",
                    normalization_presets());
  return found->normalization;
}

}  // namespace mec
