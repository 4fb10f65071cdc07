#include "mec/tensor/ops.h"
#include "support/op_cases.h"

namespace mec::test {
namespace {

void add_normalize(std::vector<OpCase>& table, const Shape& x, Fill fill) {
  table.push_back({.kernel = "normalize_rows",
                   .name = concat("normalize_rows ", x, fill == Fill::integers ? " with rows of zeros" : ""),
                   .dtypes = kReal,
                   .accuracy = Accuracy::accumulated,
                   .inputs = {{.shape = x, .fill = fill, .low = 0, .high = 2}},
                   .run = [](const Tensors& in) -> Tensors {
                     const auto rows = normalize_rows(in[0]);
                     return {rows.y, rows.inv_norm};
                   }});
  table.push_back(
      {.kernel = "normalize_rows_grad",
       .name = concat("normalize_rows_grad ", x),
       .dtypes = kReal,
       .accuracy = Accuracy::accumulated,
       .inputs = {{.shape = x}, {.shape = {x[0]}, .fill = Fill::positive}, {.shape = x}},
       .run = [](const Tensors& in) -> Tensors { return {normalize_rows_grad({.y = in[0], .inv_norm = in[1]}, in[2])}; }});
}

void add_cross_entropy(std::vector<OpCase>& table, std::int64_t rows, std::int64_t classes, double shift) {
  table.push_back({.kernel = "cross_entropy",
                   .name = concat("cross_entropy (", rows, ",", classes, ") with logits around ", shift),
                   .dtypes = kReal,
                   .accuracy = Accuracy::accumulated,
                   // Whole numbers stay exact however large: exp(1000) without the row's maximum taken off is infinite.
                   .inputs = {{.shape = {rows, classes}, .fill = Fill::integers, .low = shift - 4, .high = shift + 4},
                              {.shape = {rows},
                               .fill = Fill::integers,
                               .role = Role::i32,
                               .low = -1,  // no label
                               .high = static_cast<double>(classes)}},
                   .run = [](const Tensors& in) -> Tensors {
                     const auto entropy = cross_entropy(in[0], in[1]);
                     return {entropy.loss, entropy.dlogits};
                   }});
}

void add_top_k(std::vector<OpCase>& table, const Shape& x, std::int64_t k) {
  table.push_back({.kernel = "top_k",
                   .name = concat("top_k ", x, " k ", k),
                   .dtypes = kReal,
                   .inputs = {{.shape = x}, {.shape = x, .fill = Fill::integers, .low = 0, .high = 4}},
                   .run = [k](const Tensors& in) -> Tensors {
                     const auto plain = top_k(in[0], k), ties = top_k(in[1], k);
                     return {plain.values, plain.indices, ties.values, ties.indices};
                   }});
}

}  // namespace

void add_row_cases(std::vector<OpCase>& table) {
  const Shape shapes[] = {{1, 1}, {3, 5}, {17, 64}, {5, 300}};
  for (const Shape& x : shapes) add_normalize(table, x, Fill::normal);
  add_normalize(table, {9, 1}, Fill::integers);
  add_cross_entropy(table, 1, 1, 0);
  add_cross_entropy(table, 7, 10, 0);
  add_cross_entropy(table, 17, 3, 1000);
  add_cross_entropy(table, 4, 100, -1000);
  add_top_k(table, {1, 1}, 1);
  add_top_k(table, {5, 17}, 5);
  add_top_k(table, {3, 64}, 64);
  add_top_k(table, {2, 300}, 20);
}

}  // namespace mec::test
