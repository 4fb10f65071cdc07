#include <cmath>

#include "mec/tensor/backend.h"
#include "mec/tensor/ops.h"
#include "support/op_cases.h"

namespace mec::test {
namespace {

// The optional parts of a batch norm, which are empty views where they are missing.
struct Parts {
  bool affine = false, add = false, relu = false;
};

std::string describe(const Parts& parts, const Shape& x) {
  return concat(x, parts.affine ? " affine" : "", parts.add ? " + add" : "", parts.relu ? " + relu" : "");
}

void add_statistics(std::vector<OpCase>& table, const Shape& x, Fill fill = Fill::normal) {
  table.push_back({.kernel = "batch_norm_statistics",
                   .name = concat("batch_norm_statistics ", x),
                   .dtypes = kActivations,
                   .accuracy = Accuracy::accumulated,
                   .inputs = {{.shape = x, .fill = fill, .low = 0, .high = 5}},
                   .run = [](const Tensors& in) -> Tensors {
                     const auto statistics = batch_norm_statistics(in[0]);
                     return {statistics.mean, statistics.var};
                   }});
}

void add_apply(std::vector<OpCase>& table, const Shape& x, const Parts& parts) {
  const Shape channels{x.dim(-1)};
  table.push_back({.kernel = "batch_norm_apply",
                   .name = concat("batch_norm_apply ", describe(parts, x)),
                   .dtypes = kActivations,
                   .accuracy = Accuracy::rounded,
                   .inputs = {{.shape = x},
                              {.shape = channels, .role = Role::statistic},
                              {.shape = channels, .fill = Fill::positive, .role = Role::statistic},
                              {.shape = channels, .role = Role::statistic},
                              {.shape = channels, .role = Role::statistic},
                              {.shape = x}},
                   .run = [parts](const Tensors& in) -> Tensors {
                     return {batch_norm_apply(in[0], {in[1], in[2]}, parts.affine ? in[3] : Tensor(),
                                              parts.affine ? in[4] : Tensor(), parts.add ? in[5] : Tensor(),
                                              {.eps = 1e-3, .relu = parts.relu})};
                   }});
}

// dy, x, y, mean, var, gamma, beta, dgamma, dbeta; y's sign is the mask of the ReLU where a
// residual was added, else x tells it.
std::vector<Input> gradient_inputs(const Shape& x) {
  const Shape channels{x.dim(-1)};
  const Input statistic{.shape = channels, .role = Role::statistic};
  return {
      {.shape = x}, {.shape = x}, {.shape = x}, statistic, {.shape = channels, .fill = Fill::positive, .role = Role::statistic},
      statistic,    statistic,    statistic,    statistic};
}

struct Given {
  Tensor y, gamma, beta;
};
Given given(const Parts& parts, const Tensors& in) {
  return {parts.relu && parts.add ? in[2] : Tensor(), parts.affine ? in[5] : Tensor(), parts.affine ? in[6] : Tensor()};
}

void add_gradients(std::vector<OpCase>& table, const Shape& x, const Parts& parts) {
  const BatchNormArgs args{.eps = 1e-3, .relu = parts.relu};
  table.push_back({.kernel = "batch_norm_grad_reduce",
                   .name = concat("batch_norm_grad_reduce ", describe(parts, x)),
                   .dtypes = kActivations,
                   .accuracy = Accuracy::accumulated,
                   .inputs = gradient_inputs(x),
                   .run = [=](const Tensors& in) -> Tensors {
                     const auto [y, gamma, beta] = given(parts, in);
                     const auto sums = batch_norm_grad_reduce(in[0], in[1], y, {in[3], in[4]}, gamma, beta, args);
                     return {sums.dgamma, sums.dbeta};
                   }});
  table.push_back({.kernel = "batch_norm_grad_apply",
                   .name = concat("batch_norm_grad_apply ", describe(parts, x)),
                   .dtypes = kActivations,
                   .accuracy = Accuracy::accumulated,
                   .inputs = gradient_inputs(x),
                   .run = [=](const Tensors& in) -> Tensors {
                     const auto [y, gamma, beta] = given(parts, in);
                     const double rows = static_cast<double>(in[1].numel() / in[1].dim(-1));
                     const auto grads = batch_norm_grad_apply(in[0], in[1], y, {in[3], in[4]}, gamma, beta, {in[7], in[8]},
                                                              rows, parts.add, args);
                     // In place of dy, which the kernel allows.
                     in[0].backend().run(kernel::BatchNormGradApply{in[0], in[1], y, in[3], in[4], gamma, beta, in[7], in[8],
                                                                    rows, in[0], Out{}, args});
                     Tensors out{grads.dx, in[0]};
                     if (parts.add) out.push_back(grads.dadd);
                     return out;
                   }});
}

// Every tensor of activations begins between two vectors, though its rows are whole ones.
void add_misaligned(std::vector<OpCase>& table, const Shape& x) {
  table.push_back({.kernel = "batch_norm_grad_apply",
                   .name = concat("batch norm of misaligned ", x),
                   .dtypes = kActivations,
                   .accuracy = Accuracy::accumulated,
                   .inputs = gradient_inputs(x),
                   .run = [](const Tensors& in) -> Tensors {
                     Tensors at;
                     for (const Tensor& t : in) at.push_back(misaligned(t));
                     const BatchNormStatistics of = batch_norm_statistics(at[1]), given{at[3], at[4]};
                     const Tensor y = batch_norm_apply(at[1], given, at[5], at[6], at[0], {.relu = true});
                     const auto sums = batch_norm_grad_reduce(at[0], at[1], at[2], given, at[5], at[6], {.relu = true});
                     const double rows = static_cast<double>(at[1].numel() / at[1].dim(-1));
                     const auto grads = batch_norm_grad_apply(at[0], at[1], at[2], given, at[5], at[6], {at[7], at[8]}, rows,
                                                              true, {.relu = true});
                     return {of.mean, of.var, y, sums.dgamma, sums.dbeta, grads.dx, grads.dadd};
                   }});
}

// A NaN passes the ReLU, in the one channel of the one row where it is, and so does its gradient.
void add_nan(std::vector<OpCase>& table) {
  std::vector<double> values(5 * 16);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i % 7) - 3;
  values[21] = std::nan("");
  const Input statistic{.shape = {16}, .role = Role::statistic};
  const Input positive{.shape = {16}, .fill = Fill::positive, .role = Role::statistic};
  table.push_back({.kernel = "batch_norm_apply",
                   .name = "batch_norm_apply + relu of NaN",
                   .dtypes = kActivations,
                   .accuracy = Accuracy::rounded,
                   .inputs = {{.shape = {5, 16}, .fill = Fill::given, .values = values}, statistic, positive},
                   .run = [](const Tensors& in) -> Tensors {
                     const BatchNormStatistics given{in[1], in[2]};
                     const Tensor y = batch_norm_apply(in[0], given, {}, {}, {}, {.relu = true});
                     const Tensor dy = Tensor::full(y.shape(), 0.5, y.dtype(), y.device());
                     return {y, batch_norm_grad_reduce(dy, in[0], y, given, {}, {}, {.relu = true}).dbeta};
                   },
                   .special = Special::given});
}

}  // namespace

void add_batch_norm_cases(std::vector<OpCase>& table) {
  const Shape shapes[] = {{1, 3}, {5, 1}, {2, 3, 4, 16}, {33, 17}, {7, 64}, {3, 5, 7, 3}, {130, 1}};
  for (const Shape& x : shapes) {
    add_statistics(table, x);
    for (const bool affine : {false, true}) {
      for (const bool add : {false, true}) {
        for (const bool relu : {false, true}) {
          add_apply(table, x, {affine, add, relu});
          add_gradients(table, x, {affine, add, relu});
        }
      }
    }
  }
  // More rows than one block sums, and more channels than one block has threads for. Whole numbers,
  // since the mean of many normal ones is too small to have digits that could be compared.
  for (const Shape& x : {Shape{540, 64}, Shape{613, 17}, Shape{4500, 1}, Shape{70, 520}}) {
    add_statistics(table, x, Fill::integers);
    add_apply(table, x, {.affine = true, .add = true, .relu = true});
    add_gradients(table, x, {.affine = true, .relu = true});
  }
  add_gradients(table, {613, 17}, {.affine = true, .add = true, .relu = true});
  add_misaligned(table, {33, 16});
  add_nan(table);
}

}  // namespace mec::test
