// Images whose files are missing or damaged, and what a loader does about them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "mec/tensor/error.h"

namespace mec {

enum class OnBroken : std::uint8_t {
  stop,  // the loader throws a BrokenImageError
  skip   // another image takes the place
};

// Of such an image, or of several; the message names the file.
struct BrokenImageError : IoError {
  using IoError::IoError;
};

// An image that was skipped.
struct BrokenImage {
  std::int64_t number = 0;  // in the data set
  std::string message;      // names the file, and what is wrong with it
  bool operator==(const BrokenImage&) const = default;
};
using BrokenListener = std::function<void(const BrokenImage& image)>;

}  // namespace mec
