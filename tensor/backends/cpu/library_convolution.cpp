// Convolutions by oneDNN: as they are, or, where the processor multiplies bf16 no faster than f32,
// with bf16 operands widened.
#include <algorithm>
#include <vector>

#include "mec/tensor/backends/cpu/backend.h"
#include "mec/tensor/backends/cpu/onednn.h"
#include "mec/tensor/backends/cpu/threads.h"

namespace mec::cpu {
namespace {

// Most bytes of f32 operands and results in one piece: they stay in the second-level caches of two
// cores.
constexpr std::int64_t kPieceBytes = 3 << 20;

std::size_t bytes_of(const Shape& shape, Dtype dtype) { return static_cast<std::size_t>(shape.numel() * size_of(dtype)); }

// Hands out parts of one block of memory, one after the other.
class Carver {
 public:
  explicit Carver(std::byte* memory) : next_(memory) {}
  Out take(const Shape& shape, Dtype dtype) {
    const Out part{next_, shape, dtype};
    next_ += aligned(bytes_of(shape, dtype));
    return part;
  }

 private:
  std::byte* next_;
};

Shape with_images(const Shape& shape, std::int64_t images) { return {images, shape[1], shape[2], shape[3]}; }

template <class V> V images_of(const V& view, std::int64_t begin, std::int64_t end) {
  auto* const bytes = static_cast<std::conditional_t<std::is_same_v<V, Out>, std::byte, const std::byte>*>(view.data);
  return {bytes + begin * (view.numel() / view.shape[0]) * size_of(view.dtype), with_images(view.shape, end - begin),
          view.dtype};
}

}  // namespace

bool CpuBackend::library_convolution(ConvDirection direction, In a, In b, Out result, const Conv2dArgs& args) {
  const Shape& weight = direction == ConvDirection::grad_weight ? result.shape : b.shape;
  const bool has_own = weight[1] * weight[2] <= kMaxPortableTaps || direction == ConvDirection::grad_weight;
  if (own_decompositions_ || (own_products_ && has_own) || a.numel() == 0 || b.numel() == 0 || result.numel() == 0)
    return false;
  const ThreadScope scope(threads_);
  if (a.dtype == Dtype::bf16 && widens_bf16_) return widened_convolution(direction, a, b, result, args);
  OneDnnPlan* plan = onednn_->convolution(direction, a, b, result, args);
  if (!plan) return false;
  const bool add_afterwards =
      args.accumulate && direction != ConvDirection::grad_weight;  // oneDNN adds weight gradients itself
  const std::size_t plan_bytes = aligned(plan->workspace_bytes());
  const Scratch scratch(*this, plan_bytes + (add_afterwards ? bytes_of(result.shape, result.dtype) : 0));
  if (!add_afterwards) {
    plan->run(a.data, b.data, result.data, scratch.data());
    return true;
  }
  const Out sum{scratch.data() + plan_bytes, result.shape, result.dtype};
  plan->run(a.data, b.data, sum.data, scratch.data());
  run(kernel::Axpby{sum, result, {.alpha = 1.0, .beta = 1.0}});
  return true;
}

// Some images at a time (a piece), so that their f32 copies stay in the cache. The pieces depend on
// the sizes alone.
bool CpuBackend::widened_convolution(ConvDirection direction, In a, In b, Out result, const Conv2dArgs& args) {
  const bool to_weight = direction == ConvDirection::grad_weight;
  const In other = to_weight ? b : In(result);  // what is cut into pieces along with a
  const std::int64_t images = a.shape[0], image_bytes = 4 * (a.numel() + other.numel()) / images;
  const std::int64_t pieces = std::min(images, (images * image_bytes + kPieceBytes - 1) / kPieceBytes);
  const std::int64_t most = (images + pieces - 1) / pieces;

  const bool adds = args.accumulate;
  const auto plan_for = [&](std::int64_t count, bool accumulate) {
    Conv2dArgs piece = args;
    piece.accumulate = accumulate;
    const auto f32 = [&](const In& view, bool cut) {
      return In(nullptr, cut ? with_images(view.shape, count) : view.shape, Dtype::f32);
    };
    return onednn_->convolution(direction, f32(a, true), f32(b, to_weight), f32(result, !to_weight), piece);
  };
  struct Piece {
    std::int64_t begin, end;
    OneDnnPlan* plan;
  };
  std::vector<Piece> work;
  std::size_t plan_bytes = 0;
  for (std::int64_t begin = 0; begin < images; begin += most) {
    const std::int64_t end = std::min(begin + most, images);
    OneDnnPlan* const plan = plan_for(end - begin, to_weight && (adds || begin > 0));
    if (!plan) return false;
    plan_bytes = std::max(plan_bytes, plan->workspace_bytes());
    work.push_back({begin, end, plan});
  }

  const Shape a_shape = with_images(a.shape, most), other_shape = with_images(other.shape, most);
  const Shape& weight_shape = to_weight ? result.shape : b.shape;
  std::size_t bytes = plan_bytes;
  for (const Shape& shape : {a_shape, other_shape, weight_shape}) bytes += aligned(bytes_of(shape, Dtype::f32));
  const Scratch scratch(*this, bytes);
  Carver memory(scratch.data());
  const Out wide_a = memory.take(a_shape, Dtype::f32), wide_other = memory.take(other_shape, Dtype::f32);
  const Out weight = memory.take(weight_shape, Dtype::f32);
  std::byte* const workspace = static_cast<std::byte*>(memory.take({0}, Dtype::u8).data);

  if (!to_weight || adds) run(kernel::Copy{to_weight ? In(result) : b, weight});
  for (const auto& [begin, end, plan] : work) {
    const Out piece_a{wide_a.data, with_images(a.shape, end - begin), Dtype::f32};
    const Out piece_other{wide_other.data, with_images(other.shape, end - begin), Dtype::f32};
    run(kernel::Copy{images_of(a, begin, end), piece_a});
    if (to_weight) {
      run(kernel::Copy{images_of(b, begin, end), piece_other});
      plan->run(wide_a.data, wide_other.data, weight.data, workspace);
      continue;
    }
    plan->run(wide_a.data, weight.data, wide_other.data, workspace);
    run(kernel::Axpby{piece_other, images_of(result, begin, end), {.alpha = 1.0, .beta = adds ? 1.0 : 0.0}});
  }
  if (to_weight) run(kernel::Copy{weight, result});
  return true;
}

}  // namespace mec::cpu
