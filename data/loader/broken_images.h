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

// Receives the message about an image that was skipped.
using BrokenListener = std::function<void(const std::string& message)>;

}  // namespace mec
