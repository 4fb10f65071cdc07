// Fibers switch stacks by longjmp(); glibc's checked longjmp() would take that for a damaged stack.
#undef _FORTIFY_SOURCE

#include "mec/tensor/backends/cuda/kernels/emulator.h"

#include <csetjmp>

#include <ucontext.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "mec/tensor/error.h"
#include "mec/tensor/philox.h"

#if defined(__SANITIZE_ADDRESS__)
#define MEC_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEC_ASAN 1
#endif
#endif
#ifdef MEC_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

namespace mec::cuda::simt::inline MEC_SIMT {
namespace {

constexpr std::size_t kStack = 128 << 10;
// Bytes of shared memory that every device gives a block without a special request.
constexpr std::size_t kSharedLimit = 48 << 10;
constexpr std::size_t kGuard = 64;
// Repeated in turn. They are NaN in every floating type, but differ from the bytes that tests put
// around tensors, so that writing them there is noticed.
constexpr std::byte kPoison[] = {std::byte{0xf7}, std::byte{0xff}};
constexpr int kGuardByte = 0x5a;

enum class Wait : std::uint8_t { none, block, warp, done };

// setcontext() starts a fiber; from then on longjmp() switches to and from it. swapcontext() would
// make two system calls for the signal mask at each switch, which took two thirds of the time of
// the tests. A fiber that has run its thread to the end waits for the next block.
struct Fiber {
  ucontext_t context{};
  std::jmp_buf at{};
  std::unique_ptr<std::byte[]> stack = std::make_unique_for_overwrite<std::byte[]>(kStack);
  void* fake_stack = nullptr;  // the sanitizer's
  bool started = false;
  Wait wait = Wait::none;
  std::size_t arrays = 0;  // of shared memory, declared so far
  int exchanges = 0;
  // Values for the other lanes; two of them, so that a fast lane does not overwrite what a slow one
  // has yet to read.
  std::array<LaneValue, 2> left{};
};

struct SharedArray {
  std::vector<std::byte> memory;  // with a guard behind
  std::size_t bytes = 0;
};

// One for each host thread; a block at a time.
class Machine {
 public:
  void run(const char* kernel, const Grid& grid, const std::function<void()>& body) {
    check<ValueError>(grid.threads > 0 && grid.threads <= 1024 && grid.threads % 32 == 0, kernel,
                      ": a block has a multiple of 32 threads up to 1024, but has ", grid.threads);
    check<ValueError>(grid.x <= 2147483647 && grid.y <= 65535, kernel, ": a grid has up to 2147483647 blocks by 65535, but has ",
                      grid.x, " by ", grid.y);
    kernel_ = kernel;
    body_ = &body;
    while (fibers_.size() < static_cast<std::size_t>(grid.threads)) fibers_.push_back(std::make_unique<Fiber>());
    blocks_run += grid.x * grid.y;
    position_ = {.threads = grid.threads, .blocks = grid.x, .blocks_y = grid.y};
    for (position_.block_y = 0; position_.block_y < grid.y; ++position_.block_y) {
      for (position_.block = 0; position_.block < grid.x; ++position_.block) run_block();
    }
  }

  void wait(Wait what) {
    current().wait = what;
    switch_to_scheduler();
  }

  LaneValue exchange(const LaneValue& value, int from) {
    Fiber& own = current();
    const auto slot = static_cast<std::size_t>(own.exchanges++ % 2);
    own.left[slot] = value;
    wait(Wait::warp);
    return fiber(position_.thread / 32 * 32 + from).left[slot];
  }

  void* shared(std::size_t bytes) {
    const std::size_t index = current().arrays++;
    if (index == shared_.size()) {
      shared_bytes_ += bytes;
      if (shared_bytes_ > kSharedLimit) fail("needs more than 48 KiB of shared memory");
      SharedArray array{.memory = std::vector<std::byte>(bytes + kGuard), .bytes = bytes};
      for (std::size_t i = 0; i < bytes; ++i) array.memory[i] = kPoison[i % 2];
      std::fill_n(array.memory.data() + bytes, kGuard, std::byte{kGuardByte});
      shared_.push_back(std::move(array));
    }
    if (shared_[index].bytes != bytes) fail("declares shared memory that differs between threads");
    return shared_[index].memory.data();
  }

  const Position& position() const { return position_; }
  ThreadOrder order = ThreadOrder::forward;
  std::int64_t resident_blocks = 0, blocks_run = 0;

 private:
  Fiber& fiber(int thread) { return *fibers_[static_cast<std::size_t>(thread)]; }
  Fiber& current() { return fiber(position_.thread); }

  // An exception must not cross fibers: the first is kept and thrown by the scheduler.
  void fail(const std::string& what) {
    if (failure_.empty()) failure_ = concat(kernel_, " in block ", position_.block, ", thread ", position_.thread, ": ", what);
  }

  static void run_blocks() {
    Machine& machine = instance();
#ifdef MEC_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &machine.host_stack_, &machine.host_stack_size_);
#endif
    while (true) {
      try {
        (*machine.body_)();
      } catch (const std::exception& error) {
        machine.fail(error.what());
      }
      machine.wait(Wait::done);
    }
  }

  void switch_to_scheduler() {
    Fiber& own = current();
#ifdef MEC_ASAN
    __sanitizer_start_switch_fiber(&own.fake_stack, host_stack_, host_stack_size_);
#endif
    if (_setjmp(own.at) == 0) _longjmp(scheduler_, 1);
#ifdef MEC_ASAN
    __sanitizer_finish_switch_fiber(own.fake_stack, &host_stack_, &host_stack_size_);
#endif
  }

  // Goes on where the fiber waits, or at its beginning; comes back to scheduler_.
  [[noreturn]] static void enter(Fiber& fiber) {
    if (std::exchange(fiber.started, true)) _longjmp(fiber.at, 1);
    setcontext(&fiber.context);
    std::abort();  // setcontext() does not return
  }

  void resume(int thread) {
    position_.thread = thread;
    Fiber& next = current();
    next.wait = Wait::none;
#ifdef MEC_ASAN
    void* own = nullptr;
    __sanitizer_start_switch_fiber(&own, next.stack.get(), kStack);
#endif
    if (_setjmp(scheduler_) == 0) enter(next);
#ifdef MEC_ASAN
    __sanitizer_finish_switch_fiber(own, nullptr, nullptr);
#endif
  }

  // 0 … n − 1 in the order that was chosen.
  std::vector<int> in_order(int n) {
    std::vector<int> numbers(static_cast<std::size_t>(n));
    std::iota(numbers.begin(), numbers.end(), 0);
    if (order == ThreadOrder::reverse) std::ranges::reverse(numbers);
    if (order == ThreadOrder::shuffled) {
      RandomStream stream(1, static_cast<std::uint64_t>(position_.block), passes_++, Purpose::test);
      for (std::size_t i = numbers.size(); i > 1; --i) std::swap(numbers[i - 1], numbers[stream.below(i)]);
    }
    return numbers;
  }

  // Makes a fiber ready to enter the kernel; one that a failure left inside a kernel begins anew. A
  // function of its own, because a compiler must assume that getcontext() may return twice.
  static void prepare(Fiber& fiber) {
    const bool waits = fiber.started && fiber.wait == Wait::done;
    fiber.wait = Wait::none;
    fiber.arrays = 0;
    fiber.exchanges = 0;
    if (waits) return;
    fiber.started = false;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStack;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, &Machine::run_blocks, 0);
  }

  // Each warp runs until it waits for the block, before the next one starts: as far ahead of the
  // others as it can ever be.
  void run_block() {
    shared_.clear();
    shared_bytes_ = 0;
    for (int thread = 0; thread < position_.threads; ++thread) prepare(fiber(thread));
    do {
      for (const int warp : in_order(position_.threads / 32)) run_warp(warp * 32);
    } while (release_block());
  }

  void run_warp(int first) {
    const std::vector<int> lanes = in_order(32);
    do {
      for (const int lane : lanes) {
        if (fiber(first + lane).wait == Wait::none) resume(first + lane);
      }
      if (failure_.empty()) check_guards();
      if (!failure_.empty()) throw Error(std::exchange(failure_, {}));
    } while (release(Wait::warp, first, first + 32));
  }

  void check_guards() {
    for (const SharedArray& array : shared_) {
      if (std::any_of(array.memory.begin() + static_cast<std::ptrdiff_t>(array.bytes), array.memory.end(),
                      [](std::byte b) { return b != std::byte{kGuardByte}; })) {
        fail("wrote past the end of shared memory");
      }
    }
  }

  int count(Wait what, int from, int to) {
    int n = 0;
    for (int thread = from; thread < to; ++thread) n += fiber(thread).wait == what;
    return n;
  }

  // Lets threads [from, to) go on if all of them wait for one another.
  bool release(Wait what, int from, int to) {
    if (count(what, from, to) != to - from) return false;
    for (int thread = from; thread < to; ++thread) fiber(thread).wait = Wait::none;
    return true;
  }

  // False when all threads have ended.
  bool release_block() {
    const int n = position_.threads;
    if (release(Wait::block, 0, n)) return true;
    check<Error>(count(Wait::done, 0, n) == n, kernel_, " in block ", position_.block, ": a barrier is not reached by all: of ",
                 n, " threads ", count(Wait::block, 0, n), " wait for the block, ", count(Wait::warp, 0, n),
                 " for their warp, ", count(Wait::done, 0, n), " have ended");
    return false;
  }

 public:
  static Machine& instance() {
    static thread_local Machine machine;
    return machine;
  }

 private:
  const char* kernel_ = "";
  const std::function<void()>* body_ = nullptr;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<SharedArray> shared_;
  std::size_t shared_bytes_ = 0;
  std::jmp_buf scheduler_{};
#ifdef MEC_ASAN
  const void* host_stack_ = nullptr;
  std::size_t host_stack_size_ = 0;
#endif
  Position position_;
  std::uint64_t passes_ = 0;
  std::string failure_;
};

}  // namespace

void set_resident_blocks(std::int64_t blocks) { Machine::instance().resident_blocks = blocks; }
std::int64_t resident_blocks() { return Machine::instance().resident_blocks; }
std::int64_t blocks_run() { return Machine::instance().blocks_run; }
void set_thread_order(ThreadOrder order) { Machine::instance().order = order; }
const Position& position() { return Machine::instance().position(); }
void sync() { Machine::instance().wait(Wait::block); }
LaneValue exchange(const LaneValue& value, int from) { return Machine::instance().exchange(value, from); }
void* shared_bytes(std::size_t bytes) { return Machine::instance().shared(bytes); }
void run_grid(const char* kernel, const Grid& grid, const std::function<void()>& body) {
  Machine::instance().run(kernel, grid, body);
}

namespace {
void (*launcher_of_streams)(Launch) = nullptr;
}
void set_launcher(void (*launcher)(Launch)) { launcher_of_streams = launcher; }
void submit(Launch launch) {
  check<Error>(launcher_of_streams != nullptr, launch.kernel, ": launched on a stream, but nothing stands in for a device");
  launcher_of_streams(std::move(launch));
}
void add_bytes(std::vector<std::uintptr_t>& words, const void* from, std::size_t bytes) {
  const std::size_t first = words.size();
  words.resize(first + (bytes + sizeof(std::uintptr_t) - 1) / sizeof(std::uintptr_t));
  std::memcpy(words.data() + first, from, bytes);
}

}  // namespace mec::cuda::simt::inline MEC_SIMT
