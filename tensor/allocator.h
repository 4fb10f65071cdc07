// Caching allocator: memory is taken from the system in large segments and kept for later requests
// while the allocator lives.
//
// Where the system allows it, a segment grows: adjacent freed blocks then merge and serve a larger
// request. Small blocks have segments of their own, since a long-lived small block (the statistics
// of a batch norm, say) would keep its large neighbours from merging. A step of ResNet-50 held 480
// MiB more than it used with a segment for every new size, 100 with one that grows, and 3 with
// small blocks apart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "mec/tensor/error.h"

namespace mec {

struct AllocatorStats {
  std::size_t in_use = 0;      // bytes handed out now, rounded up
  std::size_t workspaces = 0;  // of these, what kernels keep for their own use
  std::size_t high_water = 0;  // largest in_use since the last reset
  std::size_t reserved = 0;    // bytes taken from the system
  std::uint64_t allocations = 0;
  std::uint64_t segments = 0;
};

// The system has no memory left. The message says what was asked for and what is held.
struct OutOfMemory : MemoryError {
  OutOfMemory(std::size_t asked_in, const AllocatorStats& held_in);
  std::size_t asked;    // bytes
  AllocatorStats held;  // when they were asked for
};

// Who holds a block.
enum class BlockUse : std::uint8_t { tensor, workspace };

// Where segments come from: huge-page host memory by default; device memory or a counting fake
// elsewhere.
struct Upstream {
  std::function<void*(std::size_t)> allocate;  // null when there is none
  std::function<void(void*, std::size_t)> release;
  // Makes the segment of `size` bytes at `memory` longer by `more`, in place; false where that is
  // not possible. May be empty.
  std::function<bool(void* memory, std::size_t size, std::size_t more)> extend = {};
  // Blocks start at multiples of this many bytes, and their sizes are rounded up to multiples of
  // it. A power of two; 64 is one cache line and one AVX-512 register.
  std::size_t granule = 64;
};
Upstream host_upstream();

// Best fit over free blocks, which are split and coalesced. Blocks are multiples of the upstream's
// granule, segments multiples of 2 MiB. The same sequence of calls from a fresh allocator gives the
// same offsets. Thread-safe.
class CachingAllocator {
 public:
  explicit CachingAllocator(Upstream upstream = host_upstream());
  ~CachingAllocator();
  CachingAllocator(const CachingAllocator&) = delete;
  CachingAllocator& operator=(const CachingAllocator&) = delete;

  // At least `bytes` bytes, aligned to a granule, not cleared. OutOfMemory when the system has
  // none, MemoryError after freeze() when no cached block fits.
  void* allocate(std::size_t bytes, BlockUse use = BlockUse::tensor);
  void deallocate(void* pointer) noexcept;

  // From now on no memory is taken from the system: a step that is captured must find all its
  // memory in the cache.
  void freeze(bool frozen = true);
  // Marks every free block as used and returns them all: a recording that is replayed writes into
  // them. Whoever drops the recording gives each of these blocks to deallocate().
  std::vector<void*> retire_free_blocks();
  // Gives the segments back that nothing uses.
  void trim();
  // How many bytes the system would give in one piece now, to within 2 MiB: it is asked for them.
  std::size_t available();
  AllocatorStats stats() const;
  void reset_high_water();
  std::size_t granule() const { return upstream_.granule; }

 private:
  struct Block {
    std::size_t size = 0;
    bool free = true;
    bool first = false;  // starts a segment: never merged into the block before it
    BlockUse use = BlockUse::tensor;
  };
  using Blocks = std::map<std::byte*, Block>;

  struct Pool {
    Blocks blocks;                                      // by address, free and used
    std::set<std::pair<std::size_t, std::byte*>> free;  // by size, then address
    std::map<std::byte*, std::size_t> segments;

    void insert_free(Blocks::iterator block) { free.emplace(block->second.size, block->first); }
    void erase_free(Blocks::iterator block) { free.erase({block->second.size, block->first}); }
  };

  Blocks::iterator more_memory(Pool& pool, std::size_t bytes);
  Blocks::iterator extended_segment(Pool& pool, std::size_t bytes);
  Blocks::iterator new_segment(Pool& pool, std::size_t bytes);

  Upstream upstream_;
  mutable std::mutex mutex_;
  Pool small_, large_;
  AllocatorStats stats_;
  bool frozen_ = false;
};

}  // namespace mec
