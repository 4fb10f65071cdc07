#include "mec/tensor/ops/optimizer.h"

#include "mec/tensor/ops/common.h"

namespace mec {
using namespace ops;

namespace {

void check_flat(const char* op, const Tensor& w, const Tensor& other, const char* what) {
  check_rank(op, w, 1, "the weights", "one flat buffer");
  check_real(op, w, "the weights");
  check_defined(op, other, what);
  check_device(op, {&w, &other});
  check_same_shape(op, w, other);
  check_dtype(op, other, w.dtype(), what);
}

// A number, or one for each of `count` segments, that the kernel reads from device memory.
void check_scalars(const char* op, const Tensor& w, const Tensor& values, std::int64_t count, const char* what) {
  check_dtype(op, values, w.dtype(), what);
  check_device(op, {&w, &values});
  check<ShapeError>(values.numel() == count, op, ": ", what, " should hold ", count, " value(s), but is ", values.shape());
}

// Without a flag the update is made.
void check_when(const char* op, const Tensor& w, const Tensor& when) {
  if (!when) return;
  check_flag(op, when);
  check_device(op, {&w, &when});
}

void check_offsets(const char* op, const Tensor& w, const Tensor& offsets) {
  check_rank(op, offsets, 1, "the offsets", "(S+1)");
  check_dtype(op, offsets, Dtype::i64, "the offsets");
  check_device(op, {&w, &offsets});
  check<ShapeError>(offsets.dim(0) >= 2, op, ": there is no segment in offsets ", offsets.shape());
  check_each<std::int64_t>(op, offsets, 0, w.numel() + 1, "offset", "the buffer ", w.shape(), " has bounds [0,", w.numel(),
                           "]");
  const auto values = readable<std::int64_t>(offsets);
  for (std::size_t i = 1; i < values.size(); ++i) {
    check<ValueError>(values[i - 1] <= values[i], op, ": offset ", i, " is ", values[i], " and falls below the one before, ",
                      values[i - 1]);
  }
}

}  // namespace

void sgd_update(const Tensor& w, const Tensor& g, const Tensor& v, const Tensor& lr, const Tensor& offsets,
                const Tensor& trust_ratios, const SgdArgs& args, const Tensor& when) {
  check_flat("sgd_update", w, g, "the gradient");
  check_flat("sgd_update", w, v, "the momentum");
  check_offsets("sgd_update", w, offsets);
  check_scalars("sgd_update", w, lr, 1, "the learning rate");
  if (trust_ratios) check_scalars("sgd_update", w, trust_ratios, offsets.numel() - 1, "the trust ratios");
  check_when("sgd_update", w, when);
  w.backend().run(kernel::SgdUpdate{w, g, v, lr, offsets, trust_ratios, args, when});
}

void adamw_update(const Tensor& w, const Tensor& g, const Tensor& m, const Tensor& v, const Tensor& lr,
                  const Tensor& correction, const Tensor& offsets, const Tensor& trust_ratios, const AdamWArgs& args,
                  const Tensor& when) {
  check_flat("adamw_update", w, g, "the gradient");
  check_flat("adamw_update", w, m, "the first moment");
  check_flat("adamw_update", w, v, "the second moment");
  check_offsets("adamw_update", w, offsets);
  check_scalars("adamw_update", w, lr, 1, "the learning rate");
  check_scalars("adamw_update", w, correction, 2, "the correction");
  if (trust_ratios) check_scalars("adamw_update", w, trust_ratios, offsets.numel() - 1, "the trust ratios");
  check_when("adamw_update", w, when);
  w.backend().run(kernel::AdamWUpdate{w, g, m, v, lr, correction, offsets, trust_ratios, args, when});
}

Tensor lars_trust_ratios(const Tensor& w, const Tensor& g, const Tensor& offsets, const LarsArgs& args) {
  check_flat("lars_trust_ratios", w, g, "the gradient");
  check_offsets("lars_trust_ratios", w, offsets);
  Tensor ratios({offsets.dim(0) - 1}, w.dtype(), w.device());
  w.backend().run(kernel::LarsTrustRatios{w, g, offsets, ratios, args});
  return ratios;
}

void ema_update(const Tensor& teacher, const Tensor& w, const Tensor& coefficient, const Tensor& when) {
  check_flat("ema_update", w, teacher, "the teacher");
  check_scalars("ema_update", w, coefficient, 1, "the coefficient");
  check_when("ema_update", w, when);
  w.backend().run(kernel::EmaUpdate{teacher, w, coefficient, when});
}

}  // namespace mec
