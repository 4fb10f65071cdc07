// Scratch memory of the CPU device: one block at a time for each kernel.
#include <doctest/doctest.h>

#include <memory>
#include <thread>

#include "mec/tensor/backends/cpu/isa.h"

using namespace mec;

namespace {

using cpu::CpuBackend;
using Scratch = CpuBackend::Scratch;

void take(CpuBackend& backend, std::size_t bytes) { const Scratch memory(backend, bytes); }
void take_twice(CpuBackend& backend) {
  const Scratch first(backend, 64);
  const Scratch second(backend, 128);
}
void take_on_two_threads(CpuBackend& backend) {
  std::thread other;
  {
    const Scratch memory(backend, 64);
    other = std::thread([&] { take(backend, 128); });
  }
  other.join();
}

}  // namespace

TEST_CASE("cpu: a kernel that takes scratch memory twice is refused instead of waiting for itself") {
  const std::unique_ptr<CpuBackend> backend(cpu::supported_isas().back().make({}));
  CHECK_THROWS_WITH_AS(take_twice(*backend),
                       doctest::Contains("a kernel asks for 128 bytes of scratch memory while it holds a block of 64;"), Error);
  CHECK_NOTHROW(take(*backend, 256));  // the first was given back
  CHECK_NOTHROW(take_on_two_threads(*backend));
}
