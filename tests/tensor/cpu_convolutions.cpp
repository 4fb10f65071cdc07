// Convolutions of few and of odd numbers of channels, where libraries' kernels have their edges:
// against the reference, twice to the bit, with every byte watched that the kernel may not write.
// ctest runs this file once for each instruction set that the processor can be held to
// (tests/CMakeLists.txt).
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "mec/tensor/backends/cpu/isa.h"
#include "mec/tensor/ops.h"
#include "support/cpu_kernels.h"
#include "support/tolerances.h"

using namespace mec;
using namespace mec::test;
using cpu::ConvDirection;

namespace {

constexpr auto kUnwritten = std::byte{0xff};  // as f32 and as bf16: NaN

bool unwritten(const std::byte* begin, std::size_t bytes) {
  return std::all_of(begin, begin + bytes, [](std::byte b) { return b == kUnwritten; });
}

// A tensor's bytes between guards that read as NaN.
class Guarded {
 public:
  explicit Guarded(std::size_t bytes) : memory_(bytes + 2 * kGuard, kUnwritten), bytes_(bytes) {}
  explicit Guarded(const Tensor& x) : Guarded(x.bytes()) { x.download(data()); }
  std::byte* data() { return memory_.data() + kGuard; }
  bool guards_hold() const { return unwritten(memory_.data(), kGuard) && unwritten(memory_.data() + kGuard + bytes_, kGuard); }
  std::vector<std::byte> bytes() { return {data(), data() + bytes_}; }

 private:
  static constexpr std::size_t kGuard = 4096;
  std::vector<std::byte> memory_;
  std::size_t bytes_;
};

// An operand that ends where the process's memory does: reading further ends the process, too.
class AtTheEnd {
 public:
  explicit AtTheEnd(const Tensor& x) : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
    pages_ = (x.bytes() + page_ - 1) / page_ + 1;
    void* const memory = mmap(nullptr, pages_ * page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    memory_ = static_cast<std::byte*>(memory);
    data_ = memory_ + (pages_ - 1) * page_ - x.bytes();
    x.download(data_);
    REQUIRE(mprotect(memory_ + (pages_ - 1) * page_, page_, PROT_NONE) == 0);
  }
  ~AtTheEnd() { munmap(memory_, pages_ * page_); }
  AtTheEnd(const AtTheEnd&) = delete;
  AtTheEnd& operator=(const AtTheEnd&) = delete;
  const std::byte* data() const { return data_; }

 private:
  std::size_t page_, pages_ = 0;
  std::byte *memory_ = nullptr, *data_ = nullptr;
};

// The memory of a fresh backend, from which its first kernel will take its scratch block: all of it
// reads as NaN. Blocks are taken from the front of a segment, one for small and one for large ones.
class WatchedScratch {
 public:
  explicit WatchedScratch(CachingAllocator& allocator) : allocator_(allocator) {
    for (Segment& segment : segments_) {
      segment.memory = static_cast<std::byte*>(allocator.allocate(segment.block));
      std::memset(segment.memory, static_cast<int>(kUnwritten), segment.watched);
      allocator.deallocate(segment.memory);
    }
  }
  // Whether the kernel wrote in its own block only.
  bool holds() const {
    const std::size_t block = allocator_.stats().in_use;
    const auto& [small, large] = segments_;
    const std::size_t in_small = block <= small.block ? block : 0, in_large = block <= small.block ? 0 : block;
    return unwritten(small.memory + in_small, small.watched - in_small) &&
           (in_large >= large.watched || unwritten(large.memory + in_large, large.watched - in_large));
  }

 private:
  struct Segment {
    std::size_t block, watched;  // asked for; what is looked at, from the segment's start
    std::byte* memory = nullptr;
  };
  CachingAllocator& allocator_;
  Segment segments_[2] = {{64 << 10, 256 << 10}, {2 << 20, 2 << 20}};
};

struct Geometry {
  std::int64_t height, width, kernel_height, kernel_width;
  Conv2dArgs args = {};
  bool depthwise = false;
};

const Geometry kGeometries[] = {
    {7, 5, 1, 1},                   // a product
    {10, 12, 1, 1, {.stride = 2}},  // a shortcut: every other pixel, of which 5x6 remain
    {9, 9, 1, 1, {.stride = 3}},
    {9, 7, 1, 1, {.stride = 2}},  // the last pixel is read
    {7, 5, 3, 3, {.pad = 1}},
    {9, 8, 3, 3, {.stride = 2, .pad = 1}},  // the start of a stage
    {8, 1, 3, 3, {.stride = 2, .pad = 1}},  // narrower than the stride
    {3, 2, 5, 5, {.stride = 3, .pad = 2}},  // and than the kernel
    {6, 7, 3, 2, {.pad = 1}},               // a kernel that is not square
    {9, 7, 3, 3, {.pad = 2, .dilation = 2}},
    {11, 9, 3, 3, {.stride = 2, .pad = 1, .dilation = 3}},
    {8, 8, 4, 4, {.stride = 4}},              // patches
    {13, 11, 7, 7, {.stride = 2, .pad = 3}},  // ImageNet's stem
    {7, 6, 3, 3, {.pad = 1, .groups = 2}},
    {8, 6, 1, 1, {.stride = 2, .groups = 2}},
    {7, 6, 3, 3, {.pad = 1}, true},  // depthwise
    {9, 8, 3, 3, {.stride = 2, .pad = 1}, true},
};

struct Convolution {
  Shape x, w, y;
  Conv2dArgs args;
};

Convolution make_convolution(const Geometry& g, std::int64_t images, std::int64_t in, std::int64_t out) {
  Conv2dArgs args = g.args;
  if (g.depthwise) args.groups = in;
  const std::int64_t group_in = g.depthwise ? 1 : in, group_out = g.depthwise ? 1 : out;
  const auto size = [&args](std::int64_t image, std::int64_t kernel) {
    return conv_out_size("conv2d", image, kernel, args.stride, args.pad, args.dilation);
  };
  return {{images, g.height, g.width, group_in * args.groups},
          {group_out * args.groups, g.kernel_height, g.kernel_width, group_in},
          {images, size(g.height, g.kernel_height), size(g.width, g.kernel_width), group_out * args.groups},
          args};
}

void run(Backend& backend, ConvDirection direction, In a, In b, Out result, const Conv2dArgs& args) {
  switch (direction) {
    case ConvDirection::forward: return backend.run(kernel::Conv2d{a, b, result, args});
    case ConvDirection::grad_input: return backend.run(kernel::Conv2dGradInput{a, b, result, args});
    case ConvDirection::grad_weight: return backend.run(kernel::Conv2dGradWeight{a, b, result, args});
  }
}

// One direction of a convolution: its operands, what the result holds before, and must hold after.
struct Task {
  ConvDirection direction;
  Conv2dArgs args;
  Tensor a, b, before;
  Tensor expected;
};

Task make_task(const Convolution& c, ConvDirection direction, Dtype dtype, bool accumulate) {
  const Device host = make_reference_device();
  const bool to_weight = direction == ConvDirection::grad_weight;
  const auto fill = [&](const Shape& shape, Dtype type, std::uint64_t seed) {
    return random(shape, Dtype::f32, host, {.seed = seed}).to(type);
  };
  Task task{.direction = direction,
            .args = c.args,
            .a = fill(direction == ConvDirection::forward ? c.x : c.y, dtype, 1),
            .b = fill(to_weight ? c.x : c.w, dtype, 2),
            .before = fill(direction == ConvDirection::forward ? c.y
                           : to_weight                         ? c.w
                                                               : c.x,
                           to_weight ? accumulator_of(dtype) : dtype, 3),
            .expected = {}};
  task.args.accumulate = accumulate && direction != ConvDirection::forward;
  task.expected = task.before.to(Dtype::f64);
  run(task.expected.backend(), direction, task.a.to(Dtype::f64).out(), task.b.to(Dtype::f64).out(), task.expected.out(),
      task.args);
  return task;
}

// Our own kernels may take Winograd's algorithm in f32. In bf16, rounding hides its error.
Accuracy accuracy_of(const Task& task, bool own) {
  const bool to_weight = task.direction == ConvDirection::grad_weight;
  const Shape& w = to_weight ? task.before.shape() : task.b.shape();
  const bool suits = w[1] == 3 && w[2] == 3 && task.args.stride == 1 && std::min(w[0], w[3]) >= 32;
  if (own && suits && task.b.dtype() == Dtype::f32) return Accuracy::transformed;
  return task.args.accumulate ? Accuracy::added : Accuracy::accumulated;
}

// On a backend of its own. Empty, after a failed check, when the result is wrong.
std::vector<std::byte> run_once(const Task& task, const CpuOptions& options) {
  const std::unique_ptr<cpu::CpuBackend> backend(cpu::supported_isas().back().make(options));
  const WatchedScratch scratch(backend->allocator());
  const AtTheEnd a(task.a), b(task.b);
  Guarded result(task.before);
  const Dtype dtype = task.before.dtype();
  run(*backend, task.direction, {a.data(), task.a.shape(), task.a.dtype()}, {b.data(), task.b.shape(), task.b.dtype()},
      {result.data(), task.before.shape(), dtype}, task.args);
  CHECK(scratch.holds());
  CHECK(result.guards_hold());
  const Tensor actual(task.before.shape(), dtype, make_reference_device());
  actual.backend().upload(result.data(), actual.out());
  const auto comparison =
      compare(actual, task.expected, tolerance_of(accuracy_of(task, options.kernels == CpuKernels::own), dtype));
  CHECK_MESSAGE(comparison.ok, comparison.message);
  return result.bytes();
}

void check_repeated(const Task& task, const CpuOptions& options) {
  CAPTURE(options.threads);
  const bool own = options.kernels == CpuKernels::own;
  CAPTURE(own);
  const bool widened = options.bf16 == Bf16Convolution::widened;
  CAPTURE(widened);
  CHECK(run_once(task, options) == run_once(task, options));
}

void check_direction(const Convolution& c, ConvDirection direction, Dtype dtype, bool accumulate,
                     const std::vector<int>& thread_counts) {
  const std::string what = concat(c.x, " * ", c.w, " stride ", c.args.stride, " pad ", c.args.pad, " dilation ",
                                  c.args.dilation, " groups ", c.args.groups, " ", name_of(dtype), accumulate ? ", added" : "");
  CAPTURE(what);
  const int which = static_cast<int>(direction);
  CAPTURE(which);
  const Task task = make_task(c, direction, dtype, accumulate);
  const auto own = run_once(task, {.threads = 1, .kernels = CpuKernels::own});
  for (const int threads : thread_counts) {
    const CpuKernels libraries = library_kernels();
    check_repeated(task, {.threads = threads, .kernels = libraries, .bf16 = Bf16Convolution::native});
    if (dtype == Dtype::bf16)
      check_repeated(task, {.threads = threads, .kernels = libraries, .bf16 = Bf16Convolution::widened});
    CHECK(run_once(task, {.threads = threads, .kernels = CpuKernels::own}) == own);
  }
}

void check_convolution(const Convolution& c, Dtype dtype, bool accumulate, const std::vector<int>& thread_counts) {
  for (const auto direction : {ConvDirection::forward, ConvDirection::grad_input, ConvDirection::grad_weight}) {
    check_direction(c, direction, dtype, accumulate, thread_counts);
  }
}

constexpr std::int64_t kWidths = 17;

}  // namespace

TEST_CASE("cpu: convolutions of 1 to 17 channels are right, the same again, and write nowhere else") {
  for (std::int64_t in = 1; in <= kWidths; ++in) {
    std::int64_t turn = in;  // which of the geometries, thread counts and ways of adding it is this one's turn for
    for (const Geometry& geometry : kGeometries) {
      if (++turn % 2 != 0) continue;
      const std::int64_t out = 1 + (5 * in + turn) % kWidths;
      const Dtype dtype = turn % 4 == 0 ? Dtype::f32 : Dtype::bf16;
      check_convolution(make_convolution(geometry, 1 + turn % 3, in, out), dtype, turn % 3 == 0,
                        {static_cast<int>(1 + turn % 3)});
    }
  }
}

TEST_CASE(
    "cpu: weight gradients of strided 1x1 convolutions are right where threads share the sum over "
    "the pixels") {
  for (std::int64_t in = 1; in <= kWidths; ++in) {
    const Convolution c = make_convolution({24, 22, 1, 1, {.stride = 2}}, 3, in, 1 + 5 * in % kWidths);
    for (const Dtype dtype : {Dtype::f32, Dtype::bf16}) check_direction(c, ConvDirection::grad_weight, dtype, false, {1, 2, 3});
  }
}

TEST_CASE("cpu: convolutions to an odd number of vectors read no further than the operands") {
  for (const std::int64_t out : {12, 20, 24, 40, 48, 80}) {
    check_convolution(make_convolution({9, 8, 3, 3, {.pad = 1}}, 3, 16, out), Dtype::f32, false, {2});
  }
}

TEST_CASE("cpu: 3x3 convolutions of many channels, by Winograd's algorithm, are right and the same for any number of threads") {
  struct Many {
    Geometry geometry;
    std::int64_t images, in, out;
  };
  const Many cases[] = {{{13, 10, 3, 3, {.pad = 1}}, 5, 32, 48},    // tiles cut on two sides, half a panel
                        {{8, 8, 3, 3, {.pad = 1}}, 13, 64, 80},     // whole tiles, the last group not full
                        {{16, 13, 3, 3}, 4, 48, 32},                // no border
                        {{14, 14, 3, 3, {.pad = 2}}, 3, 32, 32},    // a border wider than usual: none for the gradient
                        {{4, 4, 3, 3, {.pad = 1}}, 48, 96, 32},     // one tile in an image
                        {{16, 16, 3, 3, {.pad = 1}}, 12, 64, 96}};  // weights' tiles in two parts
  int turn = 0;
  for (const Many& c : cases) {
    for (const Dtype dtype : {Dtype::f32, Dtype::bf16}) {
      ++turn;
      check_convolution(make_convolution(c.geometry, c.images, c.in, c.out), dtype, turn % 2 == 0, {1 + turn % 3});
    }
  }
}

TEST_CASE("cpu: Winograd's algorithm for more weights than are transformed at a time") {
  const Geometry geometry{4, 4, 3, 3, {.pad = 1}};
  check_convolution(make_convolution(geometry, 48, 96, 512), Dtype::f32, false, {2});
  check_direction(make_convolution(geometry, 80, 64, 512), ConvDirection::grad_weight, Dtype::f32, true, {2});
}

TEST_SUITE("slow") {
  TEST_CASE("cpu: convolutions of 1 to 17 channels to 1 to 17 are right for one, two and three threads") {
    for (std::int64_t in = 1; in <= kWidths; ++in) {
      std::int64_t turn = in;
      for (const Geometry& geometry : kGeometries) {
        for (const std::int64_t step : {0, 6, 12}) {
          const std::int64_t out = 1 + (5 * in + ++turn + step) % kWidths;
          for (const Dtype dtype : {Dtype::f32, Dtype::bf16}) {
            check_convolution(make_convolution(geometry, 1 + turn % 3, in, out), dtype, turn % 2 == 0, {1, 2, 3});
          }
        }
      }
    }
  }
}
