#include "mec/tensor/backend.h"
#include "mec/tensor/ops.h"
#include "support/op_cases.h"

namespace mec::test {
namespace {

// Segments of one element, empty ones in a row, one that is several pieces of 8192 long, bounds
// that are a piece's, and slices that begin within a pack of 16 bytes: all at the same place of it,
// or not.
constexpr std::int64_t kSize = 40000;
const Input kBuffer{.shape = {kSize + 8}}, kFactor{.shape = {1}, .fill = Fill::given, .values = {0.375}};
const Input kManySegments{.shape = {16},
                          .fill = Fill::given,
                          .role = Role::i64,
                          .values = {3, 3, 4, 5, 6, 6, 6, 70, 8192, 8193, 16384, 16384, 36000, 36001, 39999, 39999}};

// v begins `v_begins` elements after a pack's start, all others one.
void add_long_adamw(std::vector<OpCase>& table, std::int64_t v_begins) {
  const Input positive{.shape = {kSize + 8}, .fill = Fill::positive};
  table.push_back({.kernel = "adamw_update",
                   .name = concat("adamw_update of many segments, v from ", v_begins),
                   .dtypes = kReal,
                   .accuracy = Accuracy::rounded,
                   .inputs = {kBuffer,
                              kBuffer,
                              kBuffer,
                              positive,
                              kFactor,
                              {.shape = {2}, .fill = Fill::given, .values = {0.25, 0.5}},
                              kManySegments,
                              {.shape = {15}, .fill = Fill::positive}},
                   .run = [v_begins](const Tensors& in) -> Tensors {
                     const Tensor w = in[0].segment(1, {kSize}), g = in[1].segment(1, {kSize}), m = in[2].segment(1, {kSize});
                     const Tensor v = in[3].segment(v_begins, {kSize});
                     const AdamWArgs args{.lr_factor = 0.5, .eps = 1e-3, .weight_decay = 0.01};
                     adamw_update(w, g, m, v, in[4], in[5], in[6], in[7], args);
                     adamw_update(w, g, m, v, in[4], in[5], in[6], Tensor(), args);
                     return {in[0], in[2], in[3]};
                   }});
}

void add_long_buffer(std::vector<OpCase>& table, std::int64_t v_begins) {
  table.push_back({.kernel = "sgd_update",
                   .name = concat("sgd_update of many segments, v from ", v_begins),
                   .dtypes = kReal,
                   .accuracy = Accuracy::rounded,
                   .inputs = {kBuffer, kBuffer, kBuffer, kFactor, kManySegments, {.shape = {15}, .fill = Fill::positive}},
                   .run = [v_begins](const Tensors& in) -> Tensors {
                     const Tensor w = in[0].segment(1, {kSize}), g = in[1].segment(1, {kSize}),
                                  v = in[2].segment(v_begins, {kSize});
                     const SgdArgs args{.lr_factor = 0.5, .momentum = 0.9, .weight_decay = 0.01};
                     sgd_update(w, g, v, in[3], in[4], in[5], args);
                     sgd_update(w, g, v, in[3], in[4], Tensor(), args);
                     return {in[0], in[2]};
                   }});
  table.push_back({.kernel = "lars_trust_ratios",
                   .name = concat("lars_trust_ratios of many segments, g from ", v_begins),
                   .dtypes = kReal,
                   .accuracy = Accuracy::accumulated,
                   .inputs = {kBuffer, kBuffer, kManySegments},
                   .run = [v_begins](const Tensors& in) -> Tensors {
                     return {
                         lars_trust_ratios(in[0].segment(1, {kSize}), in[1].segment(v_begins, {kSize}), in[2], {.eta = 0.02})};
                   }});
  // Whole numbers, whose sums are exact in any order.
  const Input long_segment{.shape = {280000}, .fill = Fill::integers, .low = 0, .high = 3};
  table.push_back(
      {.kernel = "lars_trust_ratios",
       .name = concat("lars_trust_ratios of a long segment, from ", v_begins),
       .dtypes = kReal,
       .accuracy = Accuracy::accumulated,
       .inputs = {long_segment,
                  long_segment,
                  {.shape = {3}, .fill = Fill::given, .role = Role::i64, .values = {1.0 * v_begins, 279990, 280000}}},
       .run = [](const Tensors& in) -> Tensors { return {lars_trust_ratios(in[0], in[1], in[2], {.eta = 0.02})}; }});
  table.push_back({.kernel = "ema_update",
                   .name = concat("ema_update of slices, w from ", v_begins),
                   .dtypes = kReal,
                   .accuracy = Accuracy::rounded,
                   .inputs = {{.shape = {1037}}, {.shape = {1037}}, kFactor},
                   .run = [v_begins](const Tensors& in) -> Tensors {
                     ema_update(in[0].segment(1, {1030}), in[1].segment(v_begins, {1030}), in[2]);
                     return {in[0]};
                   }});
}

// Every kernel over a buffer of `size`, the kernels themselves: where an operation can read the
// offsets, it refuses those that leave the buffer.
void add_bounds(std::vector<OpCase>& table, const char* name, std::int64_t size, std::vector<double> offsets) {
  const Input buffer{.shape = {size}},
      bounds{.shape = {static_cast<std::int64_t>(offsets.size())}, .fill = Fill::given, .role = Role::i64, .values = offsets};
  const Input ratios{.shape = {bounds.shape[0] - 1}, .fill = Fill::positive};
  const Input correction{.shape = {2}, .fill = Fill::given, .values = {0.25, 0.5}};
  const auto add = [&](const char* kernel, std::vector<Input> inputs, std::function<Tensors(const Tensors&)> run) {
    table.push_back({.kernel = kernel,
                     .name = concat(kernel, " ", name),
                     .dtypes = kReal,
                     .accuracy = Accuracy::accumulated,
                     .inputs = std::move(inputs),
                     .run = std::move(run)});
  };
  add("sgd_update", {buffer, buffer, buffer, kFactor, bounds, ratios}, [](const Tensors& in) -> Tensors {
    in[0].backend().run(kernel::SgdUpdate{in[0], in[1], in[2], in[3], in[4], in[5], {.weight_decay = 0.01}});
    in[0].backend().run(kernel::SgdUpdate{in[0], in[1], in[2], in[3], in[4], In(), {.weight_decay = 0.01}});
    return {in[0], in[2]};
  });
  add("adamw_update", {buffer, buffer, buffer, {.shape = {size}, .fill = Fill::positive}, kFactor, correction, bounds, ratios},
      [](const Tensors& in) -> Tensors {
        in[0].backend().run(kernel::AdamWUpdate{in[0], in[1], in[2], in[3], in[4], in[5], in[6], in[7], {.eps = 1e-3}});
        return {in[0], in[2], in[3]};
      });
  add("lars_trust_ratios", {buffer, buffer, bounds, ratios}, [](const Tensors& in) -> Tensors {
    in[0].backend().run(kernel::LarsTrustRatios{in[0], in[1], in[2], in[3], {.eta = 0.02}});
    return {in[3]};
  });
  add("ema_update", {buffer, buffer, kFactor}, [](const Tensors& in) -> Tensors {
    ema_update(in[0], in[1], in[2]);
    return {in[0]};
  });
}

// Updates whose flag says that all numbers of in[1] are finite, and that none is: the first is made
// but where a NaN or an infinity is planted there, the second never.
void add_flagged(std::vector<OpCase>& table) {
  const Input buffer{.shape = {1037}}, positive{.shape = {1037}, .fill = Fill::positive};
  const Input offsets{.shape = {3}, .fill = Fill::given, .role = Role::i64, .values = {2, 600, 1030}};
  const Input correction{.shape = {2}, .fill = Fill::given, .values = {0.25, 0.5}};
  const auto add = [&](const char* kernel, std::vector<Input> inputs,
                       std::function<void(const Tensors& in, const Tensor& when)> update) {
    for (const bool off : {false, true}) {
      table.push_back({.kernel = kernel,
                       .name = concat(kernel, off ? " that is off" : " where what it reads is finite"),
                       .dtypes = kReal,
                       .accuracy = Accuracy::rounded,
                       .inputs = inputs,
                       .run = [update, off](const Tensors& in) {
                         update(in, off ? Tensor::zeros({1}, Dtype::f32, in[0].device()) : all_finite(in[1]));
                         return in;
                       }});
    }
  };
  add("sgd_update", {buffer, buffer, buffer, kFactor, offsets}, [](const Tensors& in, const Tensor& when) {
    sgd_update(in[0], in[1], in[2], in[3], in[4], {}, {.momentum = 0.9}, when);
  });
  add("adamw_update", {buffer, buffer, buffer, positive, kFactor, correction, offsets},
      [](const Tensors& in, const Tensor& when) {
        adamw_update(in[0], in[1], in[2], in[3], in[4], in[5], in[6], {}, {.eps = 1e-3}, when);
      });
  add("ema_update", {buffer, buffer, kFactor},
      [](const Tensors& in, const Tensor& when) { ema_update(in[0], in[1], in[2], when); });
}

}  // namespace

void add_optimizer_cases(std::vector<OpCase>& table) {
  // An empty segment, and elements before the first and after the last, which must stay as they
  // are.
  const Input offsets{.shape = {5}, .fill = Fill::given, .role = Role::i64, .values = {2, 5, 5, 300, 1030}};
  const Shape flat{1037};
  for (const bool with_ratios : {false, true}) {
    table.push_back(
        {.kernel = "sgd_update",
         .name = concat("sgd_update ", with_ratios ? "with" : "without", " trust ratios"),
         .dtypes = kReal,
         .accuracy = Accuracy::rounded,
         .inputs =
             {{.shape = flat}, {.shape = flat}, {.shape = flat}, kFactor, offsets, {.shape = {4}, .fill = Fill::positive}},
         .run = [with_ratios](const Tensors& in) -> Tensors {
           sgd_update(in[0], in[1], in[2], in[3], in[4], with_ratios ? in[5] : Tensor(),
                      {.lr_factor = 0.5, .momentum = 0.9, .weight_decay = 0.01});
           return {in[0], in[2]};
         }});
  }
  table.push_back({.kernel = "lars_trust_ratios",
                   .name = "lars_trust_ratios",
                   .dtypes = kReal,
                   .accuracy = Accuracy::accumulated,
                   .inputs = {{.shape = flat}, {.shape = flat}, offsets},
                   .run = [](const Tensors& in) -> Tensors {
                     return {lars_trust_ratios(in[0], in[1], in[2], {.eta = 0.02, .weight_decay = 0.1, .eps = 1e-3})};
                   }});
  table.push_back({.kernel = "ema_update",
                   .name = "ema_update",
                   .dtypes = kReal,
                   .accuracy = Accuracy::rounded,
                   .inputs = {{.shape = flat}, {.shape = flat}, kFactor},
                   .run = [](const Tensors& in) -> Tensors {
                     ema_update(in[0], in[1], in[2]);
                     return {in[0]};
                   }});
  add_flagged(table);
  add_bounds(table, "of nothing", 0, {0, 0, 0});
  add_bounds(table, "with offsets that leave the buffer", 1037, {-7, 3, 600, 20000, 0x1p40});
  add_bounds(table, "with all offsets behind the buffer", 37, {50, 60, 8192});
  for (const std::int64_t v_begins : {1, 2}) {
    add_long_buffer(table, v_begins);
    add_long_adamw(table, v_begins);
  }
}

}  // namespace mec::test
