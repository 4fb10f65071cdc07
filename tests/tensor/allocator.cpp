#include "mec/tensor/allocator.h"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>
#include <vector>

#include "mec/tensor/error.h"
#include "mec/tensor/machine_memory.h"

using namespace mec;

namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

// An upstream that counts, and has no memory beyond `limit` bytes.
struct CountingUpstream {
  std::size_t calls = 0, held = 0, limit = 64 * kMiB;

  Upstream upstream() {
    return {.allocate = [this](std::size_t bytes) -> void* {
              if (held + bytes > limit) return nullptr;
              ++calls;
              held += bytes;
              return std::aligned_alloc(4096, bytes);
            },
            .release =
                [this](void* memory, std::size_t bytes) {
                  held -= bytes;
                  std::free(memory);
                }};
  }
};

// Whether addresses can be reserved for as much memory as the machine has: not under a limit, as
// the aarch64 tests are.
bool has_addresses_for_all_memory() {
  const auto bytes = static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* const range = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return range != MAP_FAILED && munmap(range, bytes) == 0;
}

std::ptrdiff_t distance(void* from, void* to) { return static_cast<std::byte*>(to) - static_cast<std::byte*>(from); }

}  // namespace

TEST_CASE("allocator: blocks are aligned to 64 bytes and split off one segment") {
  CountingUpstream source;
  CachingAllocator allocator(source.upstream());
  void* a = allocator.allocate(1);
  void* b = allocator.allocate(65);
  void* c = allocator.allocate(0);
  CHECK(reinterpret_cast<std::uintptr_t>(a) % 64 == 0);
  CHECK(distance(a, b) == 64);
  CHECK(distance(b, c) == 128);
  CHECK(source.calls == 1);
  CHECK(allocator.stats().in_use == 64 + 128 + 64);
  CHECK(allocator.stats().reserved == 2 * kMiB);
}

TEST_CASE("allocator: freed neighbours coalesce, on either side, and are used again") {
  for (const bool forwards : {true, false}) {
    CountingUpstream source;
    CachingAllocator allocator(source.upstream());
    void* a = allocator.allocate(kMiB);
    void* b = allocator.allocate(kMiB / 2);
    void* c = allocator.allocate(kMiB / 2);
    allocator.deallocate(forwards ? a : c);
    allocator.deallocate(b);
    allocator.deallocate(forwards ? c : a);
    CHECK(allocator.allocate(2 * kMiB) == a);  // only the three together are large enough
    CHECK(source.calls == 1);
  }
}

TEST_CASE("allocator: blocks of different segments never coalesce, even side by side") {
  for (const bool forwards : {true, false}) {
    std::vector<std::byte> arena(4 * 2 * kMiB);
    std::byte* next = arena.data();
    CachingAllocator allocator({.allocate = [&](std::size_t bytes) { return std::exchange(next, next + bytes); },
                                .release = [](void*, std::size_t) {}});
    void* a = allocator.allocate(2 * kMiB);
    void* b = allocator.allocate(2 * kMiB);
    CHECK(distance(a, b) == 2 * kMiB);
    allocator.deallocate(forwards ? a : b);
    allocator.deallocate(forwards ? b : a);
    CHECK(allocator.allocate(4 * kMiB) != a);
    CHECK(allocator.stats().segments == 3);
  }
}

TEST_CASE("allocator: the smallest block that fits is taken") {
  CachingAllocator allocator;
  void* large = allocator.allocate(4096);
  void* fence = allocator.allocate(64);
  void* small = allocator.allocate(1024);
  allocator.allocate(64);
  allocator.deallocate(large);
  allocator.deallocate(small);
  CHECK(allocator.allocate(1000) == small);
  CHECK(allocator.allocate(1000) == large);
  CHECK(fence != nullptr);
}

TEST_CASE("allocator: the same sequence of calls gives the same offsets") {
  const auto offsets = [] {
    CountingUpstream source;
    CachingAllocator allocator(source.upstream());
    void* base = allocator.allocate(64);
    std::vector<void*> live;
    std::vector<std::ptrdiff_t> seen;
    for (std::size_t i = 0; i < 200; ++i) {
      live.push_back(allocator.allocate(i * 7919 % 5000));
      seen.push_back(distance(base, live.back()));
      if (i % 3 == 2) {
        const auto victim = live.begin() + static_cast<std::ptrdiff_t>(i * 31 % live.size());
        allocator.deallocate(*victim);
        live.erase(victim);
      }
    }
    return seen;
  };
  CHECK(offsets() == offsets());
}

TEST_CASE("allocator: the high-water mark is the most that was ever in use") {
  CachingAllocator allocator;
  void* a = allocator.allocate(1024);
  void* b = allocator.allocate(2048);
  allocator.deallocate(a);
  CHECK(allocator.stats().in_use == 2048);
  CHECK(allocator.stats().high_water == 3072);
  allocator.reset_high_water();
  CHECK(allocator.stats().high_water == 2048);
  allocator.deallocate(b);
  CHECK(allocator.stats().in_use == 0);
  CHECK(allocator.stats().allocations == 2);
}

TEST_CASE("allocator: a frozen one serves cached blocks and refuses to grow") {
  CountingUpstream source;
  CachingAllocator allocator(source.upstream());
  void* a = allocator.allocate(kMiB);
  allocator.deallocate(a);
  allocator.freeze();
  CHECK_THROWS_WITH_AS(allocator.allocate(3 * kMiB), doctest::Contains("3145728 bytes asked for after freeze()"), MemoryError);
  CHECK(allocator.allocate(kMiB) == a);
  CHECK(source.calls == 1);
  allocator.freeze(false);
  CHECK(allocator.allocate(3 * kMiB) != nullptr);
}

TEST_CASE("allocator: when the system has no memory, the error says how much was asked for and is held") {
  CountingUpstream source{.limit = 4 * kMiB};
  CachingAllocator allocator(source.upstream());
  void* a = allocator.allocate(2 * kMiB);
  CHECK_THROWS_WITH_AS(allocator.allocate(7 * kMiB), doctest::Contains("no further 8 MiB (2 MiB are held)"), MemoryError);
  allocator.deallocate(a);
  CHECK(allocator.allocate(kMiB) == a);  // it still works
}

TEST_CASE("allocator: an error of the system's memory has the figures, workspaces apart") {
  CountingUpstream source{.limit = 16 * kMiB};
  CachingAllocator allocator(source.upstream());
  void* const tensor = allocator.allocate(3 * kMiB);
  void* const workspace = allocator.allocate(kMiB / 2, BlockUse::workspace);
  try {
    allocator.allocate(14 * kMiB);
    FAIL("there is not as much");
  } catch (const OutOfMemory& error) {
    CHECK(error.asked == 14 * kMiB);
    CHECK(error.held.in_use == 7 * kMiB / 2);
    CHECK(error.held.workspaces == kMiB / 2);
    CHECK(error.held.reserved == 4 * kMiB);
  }
  allocator.deallocate(workspace);
  CHECK(allocator.stats().workspaces == 0);
  CHECK(allocator.allocate(kMiB / 2) == workspace);
  CHECK(allocator.stats().workspaces == 0);
  allocator.deallocate(tensor);
}

TEST_CASE("allocator: what nothing uses goes back to the system where that is wanted, and what it has left is known") {
  CountingUpstream source{.limit = 64 * kMiB};
  CachingAllocator allocator(source.upstream());
  void* const a = allocator.allocate(3 * kMiB);
  void* const b = allocator.allocate(6 * kMiB);
  void* const small = allocator.allocate(64);
  CHECK(allocator.available() == 52 * kMiB);
  allocator.deallocate(a);
  CHECK(allocator.available() == 52 * kMiB);
  allocator.trim();
  CHECK(source.held == 8 * kMiB);
  CHECK(allocator.stats().reserved == 8 * kMiB);
  CHECK(allocator.available() == 56 * kMiB);
  allocator.deallocate(b);
  allocator.deallocate(small);
  allocator.trim();
  CHECK(source.held == 0);
  CHECK(allocator.available() == 64 * kMiB);
  allocator.deallocate(allocator.allocate(64 * kMiB));
  CHECK(allocator.available() == 0);
}

TEST_CASE("allocator: what is free when it is retired is never handed out again") {
  CachingAllocator allocator;
  void* kept = allocator.allocate(64);
  void* freed = allocator.allocate(64);
  allocator.deallocate(freed);
  allocator.retire_free_blocks();
  CHECK(allocator.allocate(64) != freed);
  CHECK(allocator.stats().reserved == 4 * kMiB);
  allocator.deallocate(kept);
  CHECK(allocator.allocate(64) == kept);  // still in use at that time, so it is not retired
  CHECK(allocator.allocate(2 * kMiB - 64) != freed);
}

TEST_CASE("allocator: a segment that can grow does so by what its free end lacks, and stays one piece") {
  std::vector<std::byte> arena(16 * kMiB);
  std::vector<std::size_t> grown;
  Upstream source{.allocate = [&](std::size_t) { return arena.data(); }, .release = [](void*, std::size_t) {}};
  source.extend = [&](void* memory, std::size_t size, std::size_t more) {
    CHECK(memory == arena.data());
    if (size + more > arena.size()) return false;
    grown.push_back(more);
    return true;
  };
  CachingAllocator allocator(source);
  void* a = allocator.allocate(3 * kMiB);  // 4 MiB, so 1 MiB is left
  void* b = allocator.allocate(5 * kMiB);
  CHECK(distance(a, b) == 3 * kMiB);
  CHECK(grown == std::vector{4 * kMiB});
  allocator.allocate(kMiB / 2);
  void* c = allocator.allocate(6 * kMiB);
  CHECK(grown == std::vector{4 * kMiB, 2 * kMiB, 6 * kMiB});
  CHECK(allocator.stats().segments == 1);
  CHECK(allocator.stats().reserved == 16 * kMiB);
  allocator.deallocate(c);
  allocator.deallocate(b);
  allocator.deallocate(a);
  CHECK(allocator.allocate(8 * kMiB) == a);  // freed blocks on both sides of what was once the end
  allocator.freeze();
  CHECK_THROWS_AS(allocator.allocate(8 * kMiB), MemoryError);
  CHECK(grown.size() == 3);
}

TEST_CASE("allocator: small blocks do not come between large ones") {
  CachingAllocator allocator;
  void* a = allocator.allocate(kMiB);
  void* small = allocator.allocate(64 << 10);
  void* b = allocator.allocate(kMiB);
  CHECK(distance(a, b) == kMiB);
  allocator.deallocate(a);
  allocator.deallocate(b);
  CHECK(allocator.allocate(2 * kMiB) == a);
  allocator.deallocate(small);
  CHECK(allocator.allocate(100) == small);
}

TEST_CASE("allocator: host memory grows in place where there are addresses for it, and can be written to its end") {
  const bool grows = has_addresses_for_all_memory();
  CachingAllocator allocator;
  std::byte* const a = static_cast<std::byte*>(allocator.allocate(kMiB));
  std::byte* const b = static_cast<std::byte*>(allocator.allocate(64 * kMiB));
  b[64 * kMiB - 1] = std::byte{1};
  CHECK((distance(a, b) == kMiB) == grows);
  CHECK(allocator.stats().segments == (grows ? 1 : 2));
  CHECK(allocator.stats().reserved == 66 * kMiB);
}

TEST_CASE("allocator: more than the machine has is refused, although the system would promise it") {
  CachingAllocator allocator;
  void* const some = allocator.allocate(4 * kMiB);
  const std::uint64_t machine = machine_memory();
  CHECK_THROWS_WITH_AS(allocator.allocate(machine), doctest::Contains("(4 MiB are held)"), MemoryError);
  CHECK_THROWS_WITH_AS(allocator.allocate(std::size_t{1} << 50), doctest::Contains("no further 1073741824 MiB"), MemoryError);
  allocator.deallocate(some);
  CHECK(allocator.allocate(4 * kMiB) == some);
}

TEST_CASE("allocator: every segment goes back to the system in the end") {
  CountingUpstream source;
  {
    CachingAllocator allocator(source.upstream());
    allocator.deallocate(allocator.allocate(5 * kMiB));
    allocator.allocate(3 * kMiB);
    CHECK(source.held == 6 * kMiB);  // 5 rounded up; the 3 fit into it
  }
  CHECK(source.held == 0);
}
