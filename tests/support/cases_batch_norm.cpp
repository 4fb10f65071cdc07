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

void add_statistics(std::vector<OpCase>& table, const Shape& x) {
  table.push_back({.kernel = "batch_norm_statistics",
                   .name = concat("batch_norm_statistics ", x),
                   .dtypes = kActivations,
                   .accuracy = Accuracy::accumulated,
                   .inputs = {{.shape = x}},
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

// dy, x, y, mean, var, gamma, beta, dgamma, dbeta; y's sign is the mask of the ReLU where a residual was added, else x tells it.
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
                     in[0].backend().batch_norm_grad_apply(in[0], in[1], y, in[3], in[4], gamma, beta, in[7], in[8], rows,
                                                           in[0], View{}, args);
                     Tensors out{grads.dx, in[0]};
                     if (parts.add) out.push_back(grads.dadd);
                     return out;
                   }});
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
}

}  // namespace mec::test
