// Tests that need a GPU: 77, which ctest shows as skipped, where there is none.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include "mec/tensor/devices.h"

int main(int argc, char** argv) {
  const mec::CudaDescription found = mec::describe_cuda();
  if (!found.reason.empty()) {
    std::printf("skipped: %s\n", found.reason.c_str());
    return 77;
  }
  return doctest::Context(argc, argv).run();
}
