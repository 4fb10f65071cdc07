#include "software_gpu/memory.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <mutex>

#include "mec/tensor/error.h"

namespace mec::software_gpu {
namespace {

constexpr std::size_t kPage = 4096;
// Of device memory: to protect it a page at a time took most of a test.
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kAddresses = std::size_t{1} << 38;  // reserved, not used
constexpr int kPoison = 0xff;                             // NaN in every floating type

std::size_t whole(std::size_t bytes, std::size_t page) { return (std::max<std::size_t>(bytes, 1) + page - 1) / page * page; }

struct State {
  std::recursive_mutex mutex;
  std::byte* base = nullptr;  // of all device memory
  std::size_t next = 0, in_use = 0;
  std::map<std::byte*, std::size_t> device, pinned;
  int at_work = 0;
  const char* operation = "";
  struct sigaction before {};
};

// Never destroyed: memory is given back until the very end.
State& state() {
  static State& the = *new State;
  return the;
}

// The piece that holds an address, or begins behind nothing: end() where there is none.
const std::pair<std::byte* const, std::size_t>* piece_of(const std::map<std::byte*, std::size_t>& pieces, const void* address) {
  const auto* at = static_cast<const std::byte*>(address);
  auto after = pieces.upper_bound(const_cast<std::byte*>(at));
  if (after == pieces.begin()) return nullptr;
  --after;
  return at <= after->first + after->second ? &*after : nullptr;
}

bool in_device_range(const void* address) {
  const auto* at = static_cast<const std::byte*>(address);
  return state().base && at >= state().base && at < state().base + kAddresses;
}

void report_fault(int signal, siginfo_t* info, void*) {
  const State& s = state();
  char line[256];
  const char* const what = !in_device_range(info->si_addr) ? "memory that is not there"
                           : s.at_work == 0                ? "device memory, from the host"
                                                           : "device memory that is not in use";
  const int length = std::snprintf(line, sizeof line, "software GPU: %s%stouched %s: %p\n", s.at_work ? s.operation : "",
                                   s.at_work ? " " : "", what, info->si_addr);
  static_cast<void>(!write(STDERR_FILENO, line, static_cast<std::size_t>(length)));
  sigaction(signal, &s.before, nullptr);  // it happens again, to whoever was there before
}

// A test's framework sets a handler of its own before each case.
void watch_faults() {
  struct sigaction now {};
  sigaction(SIGSEGV, nullptr, &now);
  if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == report_fault) return;
  state().before = now;
  struct sigaction ours {};
  ours.sa_sigaction = report_fault;
  ours.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &ours, nullptr);
}

void protect(void* memory, std::size_t bytes, int how) {
  check<Error>(mprotect(memory, bytes, how) == 0, "software GPU: mprotect failed");
}

void protect_all(int how) {
  for (const auto& [memory, bytes] : state().device) protect(memory, bytes, how);
}

// Whether the host has mapped the page.
bool is_mapped(std::uintptr_t address) {
  unsigned char resident = 0;
  return mincore(reinterpret_cast<void*>(address / kPage * kPage), 1, &resident) == 0;
}

}  // namespace

void* allocate_device(std::size_t bytes) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  const std::size_t size = whole(bytes, kHugePage);
  if (size > kCapacity - s.in_use) return nullptr;
  if (!s.base) {
    void* const range = mmap(nullptr, kAddresses, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    check<Error>(range != MAP_FAILED, "software GPU: no ", kAddresses, " bytes of addresses");
    s.base = static_cast<std::byte*>(range);
    s.next = kHugePage - reinterpret_cast<std::uintptr_t>(range) % kHugePage;
    madvise(range, kAddresses, MADV_HUGEPAGE);  // advice: failure only costs time
  }
  check<Error>(s.next + size + kHugePage <= kAddresses, "software GPU: no addresses are left, since none is used twice");
  std::byte* const memory = s.base + s.next;
  s.next += size + kHugePage;  // a page between
  protect(memory, size, PROT_READ | PROT_WRITE);
  std::memset(memory, kPoison, size);
  if (s.at_work == 0) protect(memory, size, PROT_NONE);
  watch_faults();
  s.device.emplace(memory, size);
  s.in_use += size;
  return memory;
}

bool release_device(void* memory) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  const auto piece = s.device.find(static_cast<std::byte*>(memory));
  if (piece == s.device.end()) return false;
  s.in_use -= piece->second;
  protect(memory, piece->second, PROT_NONE);
  madvise(memory, piece->second, MADV_DONTNEED);
  s.device.erase(piece);
  return true;
}

void* allocate_pinned(std::size_t bytes) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  const std::size_t size = whole(bytes, kPage);
  void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  std::memset(memory, kPoison, size);
  s.pinned.emplace(static_cast<std::byte*>(memory), size);
  return memory;
}

// A copy that is still on its way finds no memory there.
bool release_pinned(void* memory) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  const auto piece = s.pinned.find(static_cast<std::byte*>(memory));
  if (piece == s.pinned.end()) return false;
  munmap(memory, piece->second);
  s.pinned.erase(piece);
  return true;
}

Place place_of(const void* address) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  if (in_device_range(address)) return Place::device;
  return piece_of(s.pinned, address) ? Place::pinned : Place::pageable;
}

bool is_device_memory(const void* address, std::size_t bytes) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  const auto* const piece = piece_of(s.device, address);
  return piece && static_cast<const std::byte*>(address) + bytes <= piece->first + piece->second;
}

void check_addresses(const std::string& operation, std::span<const std::uintptr_t> words) {
  constexpr std::uintptr_t kSmallest = std::uintptr_t{1} << 32, kLargest = std::uintptr_t{1} << 47;
  for (const std::uintptr_t word : words) {
    if (word < kSmallest || word >= kLargest) continue;
    const auto* const address = reinterpret_cast<const void*>(word);
    if (in_device_range(address)) {
      check<Error>(is_device_memory(address, 0), "software GPU: ", operation,
                   " was given device memory that is not in use: ", address);
    } else {
      check<Error>(!is_mapped(word), "software GPU: ", operation, " was given an address of the host: ", address);
    }
  }
}

DeviceAtWork::DeviceAtWork() {
  const std::lock_guard lock(state().mutex);
  if (state().at_work++ == 0) protect_all(PROT_READ | PROT_WRITE);
}
DeviceAtWork::~DeviceAtWork() {
  const std::lock_guard lock(state().mutex);
  if (--state().at_work > 0) return;
  protect_all(PROT_NONE);
  watch_faults();
}
void set_operation(const char* name) { state().operation = name; }

}  // namespace mec::software_gpu
