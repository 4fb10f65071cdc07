#include <limits>

#include "mec/tensor/backend.h"
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

void add_cross_entropy(std::vector<OpCase>& table, std::int64_t rows, std::int64_t classes, double shift, double spread = 4) {
  table.push_back({.kernel = "cross_entropy",
                   .name = concat("cross_entropy (", rows, ",", classes, ") with logits around ", shift),
                   .dtypes = kReal,
                   .accuracy = Accuracy::accumulated,
                   // Whole numbers stay exact however large: exp(1000) without the row's maximum
                   // taken off is infinite.
                   .inputs = {{.shape = {rows, classes}, .fill = Fill::integers, .low = shift - spread, .high = shift + spread},
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

void add_softmax(std::vector<OpCase>& table, const Shape& x, double shift, double spread = 4) {
  for (const bool log : {false, true}) {
    const char* const name = log ? "log_softmax " : "softmax ";
    // Whole numbers as for cross_entropy.
    const Input logits{.shape = x, .fill = Fill::integers, .low = shift - spread, .high = shift + spread};
    table.push_back({.kernel = "softmax",
                     .name = concat(name, x, " around ", shift),
                     .dtypes = kReal,
                     .accuracy = Accuracy::accumulated,
                     .inputs = {logits},
                     .run = [log](const Tensors& in) -> Tensors { return {log ? log_softmax(in[0], 1) : softmax(in[0], 1)}; }});
    table.push_back({.kernel = "softmax_grad",
                     .name = concat("gradient of ", name, x),
                     .dtypes = kReal,
                     .accuracy = Accuracy::accumulated,
                     .inputs = {{.shape = x}, {.shape = x}},
                     .run = [log](const Tensors& in) -> Tensors {
                       return {log ? log_softmax_grad(in[0], in[1], 1) : softmax_grad(in[0], in[1], 1)};
                     }});
  }
}

void add_top_k_grad(std::vector<OpCase>& table, const Shape& x, std::int64_t k, const std::vector<double>& places) {
  table.push_back(
      {.kernel = "top_k_grad",
       .name = concat("top_k_grad ", x, " k ", k),
       .dtypes = kReal,
       .inputs = {{.shape = {x[0], k}, .fill = Fill::given, .role = Role::i32, .values = places}, {.shape = {x[0], k}}},
       .run = [x](const Tensors& in) -> Tensors {
         const Tensor dx(x, in[1].dtype(), in[1].device());
         in[1].backend().run(kernel::TopKGrad{in[0], in[1], dx});
         return {dx};
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

void add_long_top_k(std::vector<OpCase>& table, std::int64_t columns) {
  table.push_back({.kernel = "top_k",
                   .name = concat("top_k of a row of ", columns),
                   .dtypes = kReal,
                   .inputs = {{.shape = {1, columns}}},
                   .run = [](const Tensors& in) -> Tensors {
                     const auto best = top_k(in[0], 2);
                     return {best.values, best.indices};
                   }});
}

// Zeros of both signs are equals, infinities are numbers, and a class may be ruled out by a logit
// of −∞.
void add_special_values(std::vector<OpCase>& table) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity(), kNan = std::numeric_limits<double>::quiet_NaN();
  table.push_back(
      {.kernel = "top_k",
       .name = "top_k of infinities and signed zeros",
       .dtypes = kReal,
       .inputs = {{.shape = {1, 8}, .fill = Fill::given, .values = {-0.0, -kInfinity, 0, -1, kInfinity, -0.0, -kInfinity, 2}}},
       .run = [](const Tensors& in) -> Tensors {
         const auto all = top_k(in[0], 8);
         return {all.values, all.indices};
       },
       .special = Special::given});
  table.push_back({.kernel = "top_k",
                   .name = "top_k of NaN",
                   .dtypes = kReal,
                   .inputs = {{.shape = {4, 3},
                               .fill = Fill::given,
                               .values = {5, kNan, 7, kNan, 5, 7, 5, kNan, kNan, kInfinity, kNan, -kInfinity}}},
                   .run = [](const Tensors& in) -> Tensors {
                     Tensors out;
                     for (const std::int64_t k : {1, 2, 3}) {
                       const auto best = top_k(in[0], k);
                       out.push_back(best.values);
                       out.push_back(best.indices);
                     }
                     return out;
                   },
                   .special = Special::given});
  for (const bool log : {false, true}) {
    table.push_back({.kernel = "softmax",
                     .name = concat(log ? "log_softmax" : "softmax", " of infinities and NaN"),
                     .dtypes = kReal,
                     .accuracy = Accuracy::accumulated,
                     .inputs = {{.shape = {5, 3},
                                 .fill = Fill::given,
                                 .values = {-kInfinity, 1, 2, -kInfinity, -kInfinity, -kInfinity, 0, kInfinity, 1, 1, 2, kNan,
                                            kNan, 1, 2}}},
                     .run = [log](const Tensors& in) -> Tensors { return {log ? log_softmax(in[0], 1) : softmax(in[0], 1)}; },
                     .special = Special::given});
  }
  table.push_back(
      {.kernel = "cross_entropy",
       .name = "cross_entropy with classes ruled out",
       .dtypes = kReal,
       .accuracy = Accuracy::accumulated,
       .inputs = {{.shape = {2, 5}, .fill = Fill::given, .values = {-kInfinity, 1, 2, -kInfinity, 0, 3, -kInfinity, 1, 0, -2}},
                  {.shape = {2}, .fill = Fill::given, .role = Role::i32, .values = {2, 0}}},
       .run = [](const Tensors& in) -> Tensors {
         const auto entropy = cross_entropy(in[0], in[1]);
         return {entropy.loss, entropy.dlogits};
       },
       .special = Special::given});
}

// The kernel itself: where an operation can read the labels, it refuses them.
void add_stray_labels(std::vector<OpCase>& table, std::int64_t classes) {
  const double c = static_cast<double>(classes);
  table.push_back({.kernel = "cross_entropy",
                   .name = concat("cross_entropy with labels beyond ", classes, " classes"),
                   .dtypes = kReal,
                   .accuracy = Accuracy::accumulated,
                   .inputs = {{.shape = {9, classes}},
                              {.shape = {9},
                               .fill = Fill::given,
                               .role = Role::i32,
                               .values = {c - 1, c, -1, c + 1, 0, 0x1p31 - 1, -0x1p31, 4 * c, 1}}},
                   .run = [](const Tensors& in) -> Tensors {
                     const Tensor loss({9}, in[0].dtype(), in[0].device()),
                         dlogits(in[0].shape(), in[0].dtype(), in[0].device());
                     in[0].backend().run(kernel::CrossEntropy{in[0], in[1], loss, dlogits});
                     return {loss, dlogits};
                   },
                   .special = Special::given});
}

}  // namespace

void add_row_cases(std::vector<OpCase>& table) {
  // Either side of a warp, of rows for a block and of rows for a larger one; odd widths put rows at
  // all places of a pack.
  const Shape shapes[] = {{1, 1}, {3, 5}, {17, 64}, {5, 300}, {9, 31}, {9, 33}, {2, 1024}, {5, 1025}, {3, 2048}, {2, 8199}};
  for (const Shape& x : shapes) add_normalize(table, x, Fill::normal);
  add_normalize(table, {9, 1}, Fill::integers);
  add_normalize(table, {0, 5}, Fill::normal);
  add_normalize(table, {5, 0}, Fill::normal);
  add_cross_entropy(table, 0, 5, 0);
  add_top_k(table, {0, 5}, 3);
  for (const std::int64_t classes : {5, 33, 1100}) add_stray_labels(table, classes);
  add_cross_entropy(table, 1, 1, 0);
  add_cross_entropy(table, 7, 10, 0);
  add_cross_entropy(table, 17, 3, 1000);
  add_cross_entropy(table, 4, 100, -1000);
  add_cross_entropy(table, 9, 33, 0);
  // The largest has no equal: one warp of a block meets it.
  add_cross_entropy(table, 5, 1025, 0, 400);
  add_cross_entropy(table, 3, 8199, 1000, 4000);
  // In the widest row few are near the largest: sums have no more terms than tolerances allow for.
  for (const Shape& x : shapes) add_softmax(table, x, 0, x[1] > 5000 ? 4000 : 4);
  add_softmax(table, {7, 10}, 1000);
  add_softmax(table, {0, 5}, 0);
  add_softmax(table, {5, 0}, 0);
  add_top_k_grad(table, {0, 5}, 3, {});
  add_top_k_grad(table, {1, 1}, 1, {0});
  add_top_k_grad(table, {3, 33}, 2, {32, 0, 5, 31, 1, 2});
  // Indices outside the row have no place.
  add_top_k_grad(table, {2, 700}, 3, {699, 3, 700, -1, 0x1p31 - 1, 256});
  add_top_k(table, {1, 1}, 1);
  add_top_k(table, {5, 17}, 5);
  add_top_k(table, {3, 64}, 64);
  add_top_k(table, {2, 300}, 20);
  add_top_k(table, {1, 257}, 257);
  add_top_k(table, {2, 5000}, 5);
  add_long_top_k(table, 270000);  // more than 1024 chunks of 256
  add_special_values(table);
}

}  // namespace mec::test
