// cuBLASLt and cuSOLVER as far as it matters when they are opened and what they refuse: they
// compute nothing.
#pragma once

#include <cublasLt.h>

namespace mec::test {

struct FakeLibraries {
  cublasStatus_t heuristic = CUBLAS_STATUS_SUCCESS;  // what cuBLASLt says when it is asked for an algorithm,
  int algorithms = 1;                                // and how many it then has
  int asked = 0, products = 0;                       // for algorithms; started
  int solvers_opened = 0;
  void* solver_stream = nullptr;
};

FakeLibraries& fake_libraries();

}  // namespace mec::test
