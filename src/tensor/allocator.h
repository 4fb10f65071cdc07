// Caching allocator: memory is taken from the system in large segments and never given back while the allocator lives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>

namespace mec {

struct AllocatorStats {
  std::size_t in_use = 0;      // bytes handed out now, rounded up
  std::size_t high_water = 0;  // largest in_use so far
  std::size_t reserved = 0;    // bytes taken from the system
  std::uint64_t allocations = 0;
  std::uint64_t segments = 0;  // calls to the system
};

// Where segments come from: huge-page host memory by default; device memory or a counting fake elsewhere.
struct Upstream {
  std::function<void*(std::size_t)> allocate;  // null when there is none
  std::function<void(void*, std::size_t)> release;
};
Upstream host_upstream();

// Best fit over free blocks, split and coalesced; 64-byte granules in segments of 2 MiB multiples. The same sequence of
// calls from a fresh allocator gives the same offsets. Thread-safe.
class CachingAllocator {
 public:
  explicit CachingAllocator(Upstream upstream = host_upstream());
  ~CachingAllocator();
  CachingAllocator(const CachingAllocator&) = delete;
  CachingAllocator& operator=(const CachingAllocator&) = delete;

  // At least `bytes` bytes, 64-byte aligned, not cleared. MemoryError when the system has none, or after freeze() when no
  // cached block fits.
  void* allocate(std::size_t bytes);
  void deallocate(void* pointer) noexcept;

  void freeze(bool frozen = true);  // refuse further segments: a step that is captured must not move its memory
  void retire_free_blocks();        // never hand out again what is free now: a recording that is replayed writes there
  AllocatorStats stats() const;
  void reset_high_water();

 private:
  struct Block {
    std::size_t size = 0;
    bool free = true;
    bool first = false;  // starts a segment: never merged into the block before it
  };
  using Blocks = std::map<std::byte*, Block>;

  Blocks::iterator new_segment(std::size_t bytes);
  void insert_free(Blocks::iterator block);
  void erase_free(Blocks::iterator block);

  Upstream upstream_;
  mutable std::mutex mutex_;
  Blocks blocks_;                                      // by address, free and used
  std::set<std::pair<std::size_t, std::byte*>> free_;  // by size, then address
  std::map<std::byte*, std::size_t> segments_;
  AllocatorStats stats_;
  bool frozen_ = false;
};

}  // namespace mec
