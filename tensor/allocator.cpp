#include "mec/tensor/allocator.h"

#include <sys/mman.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "mec/tensor/error.h"
#include "mec/tensor/machine_memory.h"

namespace mec {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
// Largest block, in bytes, that comes from the segments for small blocks.
constexpr std::size_t kSmall = std::size_t{64} << 10;

std::size_t round_up(std::size_t bytes, std::size_t to) { return (bytes + to - 1) / to * to; }

class HostSegments {
 public:
  void* allocate(std::size_t bytes) {
    if (bytes > machine_ - writable_) return nullptr;
    // Reserves address space only, as much as the machine has memory. It costs nothing until it is
    // made writable.
    for (const std::size_t room :
         {machine_, bytes}) {  // `bytes` alone where the address space is limited
      const std::size_t length = round_up(room, kHugePage) + kHugePage;
      void* const range = mmap(nullptr, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (range == MAP_FAILED) continue;
      auto* const begin = reinterpret_cast<std::byte*>(round_up(reinterpret_cast<std::uintptr_t>(range), kHugePage));
      if (make_writable(begin, bytes)) {
        ranges_[begin] = {range, length};
        return begin;
      }
      munmap(range, length);
    }
    return nullptr;
  }
  bool extend(void* memory, std::size_t size, std::size_t more) {
    const auto& [range, length] = ranges_.at(memory);
    auto* const end = static_cast<std::byte*>(memory) + size;
    if (static_cast<std::size_t>(static_cast<std::byte*>(range) + length - end) < more)
      return false;
    return more <= machine_ - writable_ && make_writable(end, more);
  }
  void release(void* memory, std::size_t bytes) {
    const auto& [range, length] = ranges_.at(memory);
    munmap(range, length);
    ranges_.erase(memory);
    writable_ -= bytes;
  }

 private:
  // A fresh 6.4 MB buffer costs 2.3 ms in 4 KiB pages and 0.3 ms in huge ones, so segments ask for
  // huge pages.
  bool make_writable(void* memory, std::size_t bytes) {
    if (mprotect(memory, bytes, PROT_READ | PROT_WRITE) != 0) return false;
    madvise(memory, bytes, MADV_HUGEPAGE);  // advice: failure only costs speed
    writable_ += bytes;
    return true;
  }

  const std::size_t machine_ = machine_memory();
  std::size_t writable_ = 0;                               // bytes of all segments
  std::map<void*, std::pair<void*, std::size_t>> ranges_;  // what was mapped around each segment
};

}  // namespace

Upstream host_upstream() {
  const auto segments = std::make_shared<HostSegments>();
  return {
      .allocate = [segments](std::size_t bytes) { return segments->allocate(bytes); },
      .release = [segments](void* memory, std::size_t bytes) { segments->release(memory, bytes); },
      .extend = [segments](void* memory, std::size_t size,
                           std::size_t more) { return segments->extend(memory, size, more); }};
}

OutOfMemory::OutOfMemory(std::size_t asked_in, const AllocatorStats& held_in)
    : MemoryError(concat("allocator: the system has no further ", asked_in >> 20, " MiB (", held_in.reserved >> 20,
                         " MiB are held); use a smaller batch, image or network")),
      asked(asked_in),
      held(held_in) {}

CachingAllocator::CachingAllocator(Upstream upstream) : upstream_(std::move(upstream)) {}

CachingAllocator::~CachingAllocator() {
  for (const Pool* pool : {&small_, &large_}) {
    for (const auto& [memory, bytes] : pool->segments) upstream_.release(memory, bytes);
  }
}

// Takes memory from the system. Returns a free block of at least `bytes`.
CachingAllocator::Blocks::iterator CachingAllocator::more_memory(Pool& pool, std::size_t bytes) {
  check<MemoryError>(!frozen_, "allocator: ", bytes, " bytes asked for after freeze(), and no cached block is large enough; ",
                     "run one warm-up step with the same shapes before freezing");
  const auto block = extended_segment(pool, bytes);
  return block != pool.blocks.end() ? block : new_segment(pool, bytes);
}

// The same by extending the segment with the highest address, by no more than its free end lacks;
// end() where that is not possible.
CachingAllocator::Blocks::iterator CachingAllocator::extended_segment(Pool& pool, std::size_t bytes) {
  if (pool.segments.empty() || !upstream_.extend) return pool.blocks.end();
  auto& [memory, size] = *pool.segments.rbegin();
  auto last = std::prev(pool.blocks.end());
  const std::size_t more = round_up(bytes - (last->second.free ? last->second.size : 0), kHugePage);
  if (!upstream_.extend(memory, size, more)) return pool.blocks.end();
  if (last->second.free) {
    pool.erase_free(last);
    last->second.size += more;
  } else {
    last = pool.blocks.emplace(memory + size, Block{.size = more, .free = true}).first;
  }
  size += more;
  stats_.reserved += more;
  pool.insert_free(last);
  return last;
}

CachingAllocator::Blocks::iterator CachingAllocator::new_segment(Pool& pool, std::size_t bytes) {
  const std::size_t size = round_up(bytes, kHugePage);
  auto* memory = static_cast<std::byte*>(upstream_.allocate(size));
  if (!memory) throw OutOfMemory(size, stats_);
  pool.segments.emplace(memory, size);
  stats_.reserved += size;
  ++stats_.segments;
  const auto block = pool.blocks.emplace(memory, Block{.size = size, .free = true, .first = true}).first;
  pool.insert_free(block);
  return block;
}

void* CachingAllocator::allocate(std::size_t bytes, BlockUse use) {
  const std::lock_guard lock(mutex_);
  const std::size_t size = round_up(std::max<std::size_t>(bytes, 1), upstream_.granule);
  Pool& pool = size <= kSmall ? small_ : large_;
  const auto fit = pool.free.lower_bound({size, nullptr});
  const auto block = fit != pool.free.end() ? pool.blocks.find(fit->second) : more_memory(pool, size);
  pool.erase_free(block);
  if (block->second.size > size) {
    const auto rest = pool.blocks.emplace(block->first + size, Block{.size = block->second.size - size, .free = true}).first;
    pool.insert_free(rest);
    block->second.size = size;
  }
  block->second.free = false;
  block->second.use = use;
  ++stats_.allocations;
  stats_.in_use += size;
  if (use == BlockUse::workspace) stats_.workspaces += size;
  stats_.high_water = std::max(stats_.high_water, stats_.in_use);
  return block->first;
}

void CachingAllocator::deallocate(void* pointer) noexcept {
  const std::lock_guard lock(mutex_);
  Pool& pool = small_.blocks.contains(static_cast<std::byte*>(pointer)) ? small_ : large_;
  auto block = pool.blocks.find(static_cast<std::byte*>(pointer));
  stats_.in_use -= block->second.size;
  if (std::exchange(block->second.use, BlockUse::tensor) == BlockUse::workspace) stats_.workspaces -= block->second.size;
  block->second.free = true;
  if (const auto next = std::next(block); next != pool.blocks.end() && next->second.free && !next->second.first) {
    pool.erase_free(next);
    block->second.size += next->second.size;
    pool.blocks.erase(next);
  }
  if (block != pool.blocks.begin() && !block->second.first) {
    if (const auto before = std::prev(block); before->second.free) {
      pool.erase_free(before);
      before->second.size += block->second.size;
      pool.blocks.erase(block);
      block = before;
    }
  }
  pool.insert_free(block);
}

void CachingAllocator::freeze(bool frozen) {
  const std::lock_guard lock(mutex_);
  frozen_ = frozen;
}

std::vector<void*> CachingAllocator::retire_free_blocks() {
  const std::lock_guard lock(mutex_);
  std::vector<void*> retired;
  for (Pool* pool : {&small_, &large_}) {
    for (const auto& [size, memory] : pool->free) {
      pool->blocks.at(memory).free = false;
      stats_.in_use += size;
      retired.push_back(memory);
    }
    pool->free.clear();
  }
  stats_.high_water = std::max(stats_.high_water, stats_.in_use);
  return retired;
}

void CachingAllocator::trim() {
  const std::lock_guard lock(mutex_);
  for (Pool* pool : {&small_, &large_}) {
    for (auto segment = pool->segments.begin(); segment != pool->segments.end();) {
      const auto [memory, size] = *segment;
      const auto block = pool->blocks.find(memory);
      if (!block->second.free || block->second.size != size) {
        ++segment;
        continue;
      }
      pool->erase_free(block);
      pool->blocks.erase(block);
      upstream_.release(memory, size);
      stats_.reserved -= size;
      segment = pool->segments.erase(segment);
    }
  }
}

std::size_t CachingAllocator::available() {
  const std::lock_guard lock(mutex_);
  const auto gives = [&](std::size_t pages) {
    void* const memory = upstream_.allocate(pages * kHugePage);
    if (memory) upstream_.release(memory, pages * kHugePage);
    return memory != nullptr;
  };
  constexpr std::size_t kMost = std::size_t{1} << 24;  // 32 TiB
  std::size_t given = 0, refused = 1;
  for (; refused < kMost && gives(refused); refused *= 2) given = refused;
  while (refused - given > 1) {
    const std::size_t middle = given + (refused - given) / 2;
    (gives(middle) ? given : refused) = middle;
  }
  return given * kHugePage;
}

AllocatorStats CachingAllocator::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void CachingAllocator::reset_high_water() {
  const std::lock_guard lock(mutex_);
  stats_.high_water = stats_.in_use;
}

}  // namespace mec
