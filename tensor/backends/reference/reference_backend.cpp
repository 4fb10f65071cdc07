#include "mec/tensor/backends/reference/reference_backend.h"

#include "mec/tensor/devices.h"

namespace mec {

Device make_reference_device() { return std::make_shared<reference::ReferenceBackend>(); }

}  // namespace mec
