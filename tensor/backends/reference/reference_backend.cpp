#include "mec/tensor/backends/reference/reference_backend.h"

#include "mec/tensor/devices.h"

namespace mec::reference {

ReferenceBackend::ReferenceBackend()
    : Backend({memory_kernels, random_kernels, elementwise_kernels, reduce_kernels, matmul_kernels, convolution_kernels,
               batch_norm_kernels, pooling_kernels, row_kernels, linalg_kernels, coding_kernels, tsne_kernels,
               optimizer_kernels}) {}

}  // namespace mec::reference

namespace mec {

Device make_reference_device() { return std::make_shared<reference::ReferenceBackend>(); }

}  // namespace mec
