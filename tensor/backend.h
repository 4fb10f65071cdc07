// Backend: every kernel a device must provide. All work on tensor memory goes through this one
// class.
//
// Kernels are pure virtual, so that a missing one does not compile. They write into views that the
// caller made, allocate no tensor memory, and trust that `ops/` has checked shapes and dtypes. A
// scalar that may change from step to step is a one-element view in device memory, never a number:
// a recorded step reads it afresh at each replay.
//
// Numbers that are not finite. A kernel gives what its formula gives in IEEE arithmetic, NaN where
// that has NaN, on every backend alike; where a formula leaves a choice, the comment of the kernel
// makes it, as PyTorch does where PyTorch has one. Sums may add in any order: none hides a NaN, and
// infinities of both signs make one. Tensors of no rows are allowed; a sum over nothing is 0.
//
// Labels, indices and bounds. ops/ checks them where the host can read them. Elsewhere, and for
// whoever calls a kernel himself, one that is out of range is never followed: what it would have
// given is NaN.
//
// Letters: N batch, H W C image, O output channels, K kernel size; (R,C) rows and columns of a
// matrix.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "mec/tensor/allocator.h"
#include "mec/tensor/capture.h"
#include "mec/tensor/functors.h"
#include "mec/tensor/philox.h"
#include "mec/tensor/tensor.h"
#include "mec/tensor/view_maker.h"

namespace mec {

struct MatmulArgs {
  bool trans_a = false;
  bool trans_b = false;
  bool accumulate = false;  // add into the result instead of overwriting it
};

// Applies to both spatial axes; kernel sizes come from the weight.
struct Conv2dArgs {
  std::int64_t stride = 1;
  std::int64_t pad = 0;
  std::int64_t dilation = 1;
  std::int64_t groups = 1;
  // Gradients only: add into the result instead of overwriting it. A bf16 gradient may be rounded
  // before it is added.
  bool accumulate = false;

  bool operator==(const Conv2dArgs&) const = default;
};

struct BatchNormArgs {
  double eps = 1e-5;
  bool relu = false;
};

struct Pool2dArgs {
  std::int64_t kernel = 3;
  std::int64_t stride = 2;
  std::int64_t pad = 1;
};

// Scalars known when a step is recorded; `alpha_device`, where given, multiplies alpha by a
// one-element view.
struct AxpbyArgs {
  double alpha = 1.0;
  double beta = 0.0;
  In alpha_device = {};
};

// (R,C) to one value, to (C), to (R).
enum class Reduce : std::uint8_t { all, over_rows, over_columns };

struct SgdArgs {
  double rate_factor = 1.0;
  double momentum = 0.9;
  double weight_decay = 0.0;
};

struct AdamWArgs {
  double rate_factor = 1.0;
  double beta1 = 0.9, beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.0;
};

// Trust ratio of LARS (You, Gitman & Ginsburg 2017) for each segment: eta·‖w‖/(‖g‖ + wd·‖w‖), 1
// where either norm is 0.
struct LarsArgs {
  double eta = 0.001;
  double weight_decay = 0.0;
  double eps = 0.0;
};

// How the coding length's λ is chosen from the measured norm of K = PZᵀ; see ssl/losses/pair.h.
struct CodingScaleArgs {
  bool adapt = true;  // λ_eff = λ·min(1, limit/‖λK‖₂), otherwise λ_eff = λ
  double limit = 0.9;
};

struct CodingLossArgs {
  std::int64_t order = 4;  // the number of traces that are summed
  double rows = 1;         // m
  double width = 1;        // d
  double weight = 1.0;     // of this direction in the loss
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string name() const = 0;  // "cpu", "reference", …
  virtual CachingAllocator& allocator() = 0;
  // Channels in which images of `file_channels` channels are stored; the rest are zeros (GPUs want
  // 8).
  virtual std::int64_t image_channels(std::int64_t file_channels) const { return file_channels; }
  virtual bool supports(Dtype dtype) const = 0;  // as a dtype of activations
  // Whether the host may read a tensor's memory at any time: no kernel is on its way, nor only
  // recorded.
  virtual bool host_readable() const;
  // Null where the loader's workers make the views of images, as on CPUs.
  virtual ViewMaker* view_maker();

  // --- Work that is started, not waited for, where the device has a queue ------------------------
  virtual void synchronize();  // until all that was started is done
  // Null where a device gains nothing from running a step out of a recording.
  virtual std::unique_ptr<Capture> make_capture();
  // x as it is once the work given so far is done. Who waits for it later does not wait for work
  // that was given since.
  virtual std::unique_ptr<HostCopy> read_later(In x);

  // --- Memory ------------------------------------------------------------------------------------
  virtual void upload(const void* host, Out y) = 0;
  virtual void download(In x, void* host) = 0;  // waits for the device
  // Converts between any two dtypes, as converted() does.
  virtual void copy(In x, Out y) = 0;
  virtual void fill(Out y, double value) = 0;              // likewise
  virtual void fill_random(Out y, const RandomArgs&) = 0;  // f32, f64
  virtual void transpose(In x, Out y) = 0;                 // (R,C) -> (C,R)
  // (R,…), i64 (M) -> (M,…). Where an index is not one of [0,R), all bits of the row are set: NaN,
  // or -1.
  virtual void gather_rows(In x, In index, Out y) = 0;

  // --- Element by element ------------------------------------------------------------------------
  virtual void unary(UnaryOp, In x, Out y) = 0;
  virtual void unary_grad(UnaryOp, In x, In dy, Out dx) = 0;
  // b may be shorter: it is repeated along a.
  virtual void binary(BinaryOp, In a, In b, Out y) = 0;
  // y = alpha·x + beta·y; beta 0 never reads y.
  virtual void axpby(In x, Out y, const AxpbyArgs&) = 0;
  // Sums; result f64 for f64, else f32.
  virtual void reduce(Reduce, In x, Out y) = 0;
  virtual void all_finite(In x, Out flag) = 0;  // flag (1) f32: 1 or 0

  // --- Products and convolutions ---------------------------------------------------------------
  // f32 accumulation for bf16; y and dw may be f32 when the operands are bf16.
  virtual void matmul(In a, In b, Out c, const MatmulArgs&) = 0;  // (M,K)(K,N) -> (M,N)
  // Convolutions: NaN and infinities reach all results whose sums have them; NaN may reach others
  // as well, where zeros of padding, or of a library's own, are multiplied by them.
  virtual void conv2d(In x, In w, Out y, const Conv2dArgs&) = 0;  // NHWC, OHWI -> NHWC
  virtual void conv2d_grad_input(In dy, In w, Out dx, const Conv2dArgs&) = 0;
  virtual void conv2d_grad_weight(In dy, In x, Out dw, const Conv2dArgs&) = 0;  // (O,Kh,Kw,C/groups)

  // --- Batch norm over rows of (R,C): statistics and parameters are f32 (f64 for f64) ------------
  // Biased variance. A channel whose mean is not finite has mean and variance NaN.
  virtual void batch_norm_statistics(In x, Out mean, Out var) = 0;
  // y = γ(x − mean)/√(var + eps) + β, then + add, then ReLU. gamma, beta and add may be empty.
  virtual void batch_norm_apply(In x, In mean, In var, In gamma, In beta, In add, Out y, const BatchNormArgs&) = 0;
  // With g = dy where the ReLU's output is positive or NaN (or dy without ReLU): dgamma = Σ g x̂,
  // dbeta = Σ g. Where y is empty, the sign of the output is that of γ(x − mean)/√(var + eps) + β:
  // a caller that added a residual gives y.
  virtual void batch_norm_grad_reduce(In dy, In x, In y, In mean, In var, In gamma, In beta, Out dgamma, Out dbeta,
                                      const BatchNormArgs&) = 0;
  // dx from the sums above over `count` rows, and dadd = g where a residual was added. dx may be dy
  // itself.
  virtual void batch_norm_grad_apply(In dy, In x, In y, In mean, In var, In gamma, In beta, In dgamma, In dbeta, double count,
                                     Out dx, Out dadd, const BatchNormArgs&) = 0;

  // --- Pooling, NHWC -----------------------------------------------------------------------------
  // argmax u8: index within the window of the largest, the first of equals. NaN is larger than all,
  // and the last NaN of a window is taken.
  virtual void max_pool2d(In x, Out y, Out argmax, const Pool2dArgs&) = 0;
  // An argmax that names no pixel of its window gives its gradient to none.
  virtual void max_pool2d_grad(In dy, In argmax, Out dx, const Pool2dArgs&) = 0;
  virtual void global_avg_pool(In x, Out y) = 0;  // (N,H,W,C) -> (N,C)
  virtual void global_avg_pool_grad(In dy, Out dx) = 0;

  // --- Rows of (R,C) -----------------------------------------------------------------------------
  // y = x/max(‖x‖, eps); NaN stays.
  virtual void normalize_rows(In x, Out y, Out inv_norm, double eps) = 0;
  virtual void normalize_rows_grad(In y, In inv_norm, In dy, Out dx) = 0;
  // loss (R) = −log softmax(logits)[label]; dlogits = softmax − onehot, both unscaled. labels i32;
  // a negative label gives 0. NaN for the whole row, loss and gradient, where the label is C or
  // more, and where the row has a NaN or +∞ or nothing but −∞.
  virtual void cross_entropy(In logits, In labels, Out loss, Out dlogits) = 0;
  // The k largest of each row, in falling order, NaN before all, ties by lower index (NaNs are
  // equals, and so are −0 and 0). values (R,k), indices i32 (R,k).
  virtual void top_k(In x, Out values, Out indices) = 0;

  // --- Decompositions of square matrices, f32 and f64 --------------------------------------------
  // In place: a becomes LU of PA = LU; pivots i32, counted as the device likes, for its own
  // lu_inverse; result (2) = {log|det|, sign of det}, {−∞, 0} when singular, {NaN, NaN} when a
  // factor is not finite, as it is when an element is not; the factors themselves are undetermined
  // then.
  virtual void lu(Out a, Out pivots, Out log_det) = 0;
  // NaN throughout for sign 0 or NaN.
  virtual void lu_inverse(In lu, In pivots, Out inverse) = 0;
  // In place: the lower triangle becomes L of A = LLᵀ; result (2) = {log det, 1}, or {NaN, 0} when
  // A is not positive definite or not finite, and L is undetermined.
  virtual void cholesky(Out a, Out log_det) = 0;

  // --- Coding length; see ssl/losses/pair.h for the formulas -------------------------------------
  // traces[k−1] = tr Cᵏ, k = 1…n, from the powers C¹…Cʰ, h = ⌈n/2⌉: tr Cⁱ⁺ʲ = Σ Cⁱ ∘ (Cʲ)ᵀ.
  virtual void power_traces(std::span<const In> powers, Out traces) = 0;
  // y = coefficients[0]·I + Σ coefficients[j]·Cʲ over the given powers.
  virtual void matrix_polynomial(std::span<const In> powers, std::span<const double> coefficients, Out y) = 0;
  virtual void symmetrize(In x, Out y) = 0;  // (x + xᵀ)/2
  // scale (3) = {λ_eff, ‖λK‖₂, ‖λ_eff K‖₂} from λ (1) and two vectors u, v = K u: ‖K‖₂ ≈ ‖v‖/‖u‖. A
  // norm that is NaN leaves λ as it is.
  virtual void coding_scale(In lambda, In u, In v, Out scale, const CodingScaleArgs&) = 0;
  // result (2) = {weight·(−1/λ_eff)/m·T, weight·μT}, T = Σ (−1)^{k+1}/k·traces[k−1], μ = (m + d)/2.
  virtual void coding_loss(In traces, In scale, Out result, const CodingLossArgs&) = 0;

  // --- t-SNE; see ops/tsne.h for the formulas ----------------------------------------------------
  virtual void tsne_forces(In p, In y, Out attraction, Out repulsion, Out weights) = 0;

  // --- Optimiser, over flat buffers --------------------------------------------------------------
  // Segment s is [offsets[s], offsets[s+1]) (i64, S+1), cut to the buffer: what is beyond it is not
  // there. Offsets do not fall; where they do, an element may be of any segment. rate (1) scales
  // the step, segment_rates (S), where not empty, what enters v.
  virtual void sgd_update(Out w, In g, Out v, In rate, In offsets, In segment_rates, const SgdArgs&) = 0;
  // m and v are updated too; correction (2) holds 1−β₁ᵗ and 1−β₂ᵗ; segment_rates (S), where not
  // empty, scale the step.
  virtual void adamw_update(Out w, In g, Out m, Out v, In rate, In correction, In offsets, In segment_rates,
                            const AdamWArgs&) = 0;
  virtual void lars_rates(In w, In g, In offsets, Out segment_rates, const LarsArgs&) = 0;
  virtual void ema_update(Out teacher, In w, In coefficient) = 0;  // t ← c·t + (1−c)·w
};

}  // namespace mec
