// Matrix products by cuBLASLt, none of whose types shows here.
#pragma once

#include <cstddef>
#include <memory>

#include "mec/tensor/kernels/matmul.h"

namespace mec::cuda {

// Device memory for the time of one call.
struct Workspace {
  void* memory = nullptr;
  std::size_t bytes = 0;
};

class Products {
 public:
  // What cuBLASLt's heuristics may count on; NVIDIA recommends 32 MiB for Hopper.
  static constexpr std::size_t kWorkspace = std::size_t{32} << 20;

  // tf32: f32 operands may be rounded to 10 bits of mantissa, for the tensor cores.
  explicit Products(bool tf32);
  ~Products();

  // As kernel::Matmul, of matrices that are not empty, on `stream`, a cudaStream_t. Algorithms are
  // chosen once for each kind of product. False, and nothing is started, where cuBLASLt has none.
  [[nodiscard]] bool matmul(In a, In b, Out c, const MatmulArgs& args, const Workspace& workspace, void* stream);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mec::cuda
