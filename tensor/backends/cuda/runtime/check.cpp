#include "mec/tensor/backends/cuda/runtime/check.h"

#include <cstring>

namespace mec::cuda {

void fail(const char* library, const char* expression, const std::string& reason, const char* file, int line) {
  const char* const slash = std::strrchr(file, '/');
  throw DeviceError(concat(library, ": ", expression, " failed: ", reason, " (", slash ? slash + 1 : file, ":", line, ")"));
}

}  // namespace mec::cuda
