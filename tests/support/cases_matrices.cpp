#include "mec/tensor/ops.h"
#include "support/op_cases.h"

namespace mec::test {
namespace {

void add_decompositions(std::vector<OpCase>& table, std::int64_t n) {
  const double cube = static_cast<double>(n * n * n);
  const auto add = [&](const char* kernel, double flops, Fill fill, std::function<Tensors(const Tensors&)> run) {
    table.push_back({.kernel = kernel,
                     .name = concat(kernel, " of size ", n),
                     .dtypes = kReal,
                     .accuracy = Accuracy::solved,
                     .flops = flops,
                     .inputs = {{.shape = {n, n}, .fill = fill}},
                     .run = std::move(run)});
  };
  add("lu", cube * 2 / 3, Fill::pivoted_matrix, [](const Tensors& in) -> Tensors { return {lu(in[0]).log_det}; });
  add("lu_inverse", cube * 8 / 3, Fill::pivoted_matrix, [](const Tensors& in) -> Tensors { return {lu_inverse(lu(in[0]))}; });
  add("cholesky", cube / 3, Fill::definite_matrix, [](const Tensors& in) -> Tensors { return {cholesky(in[0]).log_det}; });
  // Row i of L as far as the diagonal; what is right of it is undetermined.
  add("cholesky", cube / 3, Fill::definite_matrix, [n](const Tensors& in) -> Tensors {
    const auto factor = cholesky(in[0]);
    Tensors out;
    for (std::int64_t i = 0; i < n; ++i) out.push_back(factor.lower.segment(i * n, {i + 1}));
    return out;
  });
  table.back().special = Special::left_out;
  table.back().why = "L is undetermined where the matrix is not positive definite";
}

void add_coding_matrices(std::vector<OpCase>& table, std::int64_t n) {
  const auto add = [&](const char* kernel, Accuracy accuracy, std::function<Tensors(const Tensors&)> run) {
    table.push_back({.kernel = kernel,
                     .name = concat(kernel, " of size ", n),
                     .dtypes = kReal,
                     .accuracy = accuracy,
                     .inputs = {{.shape = {n, n}, .fill = Fill::contraction}},
                     .run = std::move(run)});
  };
  add("power_traces", Accuracy::accumulated, [](const Tensors& in) -> Tensors {
    const Tensor square = matmul(in[0], in[0]), cube = matmul(square, in[0]);
    return {power_traces({in[0]}, 1), power_traces({in[0]}, 2), power_traces({in[0], square}, 3),
            power_traces({in[0], square}, 4), power_traces({in[0], square, cube}, 5)};
  });
  add("matrix_polynomial", Accuracy::accumulated, [](const Tensors& in) -> Tensors {
    const Tensor square = matmul(in[0], in[0]);
    return {matrix_polynomial({in[0]}, {1, -1}), matrix_polynomial({in[0], square}, {0.5, -2, 3})};
  });
  add("symmetrize", Accuracy::rounded, [](const Tensors& in) -> Tensors { return {symmetrize(in[0])}; });
}

// More matrices than a kernel may take at once, in memory that begins within a pack. They need not
// be powers of each other.
void add_many_powers(std::vector<OpCase>& table, std::int64_t n, std::int64_t count) {
  const auto matrices = [n, count](const Tensors& in) {
    std::vector<Tensor> powers;
    for (std::int64_t j = 0; j < count; ++j) powers.push_back(in[0].segment(1 + j * n * n, {n, n}));
    return powers;
  };
  const Input flat{.shape = {1 + count * n * n}};
  table.push_back({.kernel = "power_traces",
                   .name = concat("power_traces of ", count, " matrices of size ", n),
                   .dtypes = kReal,
                   .accuracy = Accuracy::accumulated,
                   .inputs = {flat},
                   .run = [matrices, count](const Tensors& in) -> Tensors {
                     return {power_traces(matrices(in), 2 * count - 1), power_traces(matrices(in), 2 * count)};
                   }});
  table.push_back({.kernel = "matrix_polynomial",
                   .name = concat("matrix_polynomial of ", count, " matrices of size ", n),
                   .dtypes = kReal,
                   .accuracy = Accuracy::accumulated,
                   .inputs = {flat},
                   .run = [matrices, count](const Tensors& in) -> Tensors {
                     std::vector<double> coefficients;
                     for (std::int64_t j = 0; j <= count; ++j) coefficients.push_back(0.5 - static_cast<double>(j % 3));
                     return {matrix_polynomial(matrices(in), coefficients)};
                   }});
}

void add_coding_scalars(std::vector<OpCase>& table) {
  // The norm of v = K u is about 1.5 times u's, so that λ = 0.25 is below the limit and λ = 4 above
  // it; u = 0 is safe.
  for (const double lambda : {0.25, 4.0}) {
    for (const double u : {1.0, 0.0}) {
      table.push_back({.kernel = "coding_scale",
                       .name = concat("coding_scale with lambda ", lambda, " and u ", u),
                       .dtypes = kReal,
                       .accuracy = Accuracy::accumulated,
                       .inputs = {{.shape = {1}, .fill = Fill::given, .values = {lambda}},
                                  {.shape = {37}, .fill = Fill::given, .values = std::vector<double>(37, u)},
                                  {.shape = {65}, .fill = Fill::positive}},
                       .run = [](const Tensors& in) -> Tensors {
                         return {coding_scale(in[0], in[1], in[2], {.adapt = true, .limit = 0.9}),
                                 coding_scale(in[0], in[1], in[2], {.adapt = false, .limit = 0.9})};
                       }});
    }
  }
  for (const std::int64_t order : {1, 2, 3, 4, 5}) {
    table.push_back({.kernel = "coding_loss",
                     .name = concat("coding_loss of order ", order),
                     .dtypes = kReal,
                     .accuracy = Accuracy::rounded,
                     .inputs = {{.shape = {order}}, {.shape = {3}, .fill = Fill::positive}},
                     .run = [order](const Tensors& in) -> Tensors {
                       return {coding_loss(in[0], in[1], {.order = order, .rows = 128, .width = 512, .weight = 0.5})};
                     }});
  }
}

// Of no rows and no columns there is a norm, 0, which is safe.
void add_empty_scale(std::vector<OpCase>& table) {
  table.push_back({.kernel = "coding_scale",
                   .name = "coding_scale of nothing",
                   .dtypes = kReal,
                   .accuracy = Accuracy::accumulated,
                   .inputs = {{.shape = {1}, .fill = Fill::positive}, {.shape = {0}}, {.shape = {0}}},
                   .run = [](const Tensors& in) -> Tensors { return {coding_scale(in[0], in[1], in[2], {})}; }});
}

}  // namespace

void add_matrix_cases(std::vector<OpCase>& table) {
  for (const std::int64_t n : {1, 2, 5, 17, 33, 64}) {
    add_decompositions(table, n);
    add_coding_matrices(table, n);
  }
  for (const std::int64_t n : {3, 31, 65, 96}) add_coding_matrices(table, n);
  for (const std::int64_t count : {4, 8, 9, 17}) add_many_powers(table, 33, count);
  add_coding_scalars(table);
  add_empty_scale(table);
}

}  // namespace mec::test
