#include "mec/tensor/ops.h"
#include "support/op_cases.h"

namespace mec::test {

void add_optimizer_cases(std::vector<OpCase>& table) {
  // An empty segment, and elements before the first and after the last, which must stay as they are.
  const Input offsets{.shape = {5}, .fill = Fill::given, .role = Role::i64, .values = {2, 5, 5, 300, 1030}};
  const Shape flat{1037};
  const Input factor{.shape = {1}, .fill = Fill::given, .values = {0.375}};
  for (const bool segment_rates : {false, true}) {
    table.push_back(
        {.kernel = "sgd_update",
         .name = concat("sgd_update ", segment_rates ? "with" : "without", " segment rates"),
         .dtypes = kReal,
         .accuracy = Accuracy::rounded,
         .inputs = {{.shape = flat}, {.shape = flat}, {.shape = flat}, factor, offsets, {.shape = {4}, .fill = Fill::positive}},
         .run = [segment_rates](const Tensors& in) -> Tensors {
           sgd_update(in[0], in[1], in[2], in[3], in[4], segment_rates ? in[5] : Tensor(),
                      {.rate_factor = 0.5, .momentum = 0.9, .weight_decay = 0.01});
           return {in[0], in[2]};
         }});
  }
  table.push_back({.kernel = "lars_rates",
                   .name = "lars_rates",
                   .dtypes = kReal,
                   .accuracy = Accuracy::accumulated,
                   .inputs = {{.shape = flat}, {.shape = flat}, offsets},
                   .run = [](const Tensors& in) -> Tensors {
                     return {lars_rates(in[0], in[1], in[2], {.eta = 0.02, .weight_decay = 0.1, .eps = 1e-3})};
                   }});
  table.push_back({.kernel = "ema_update",
                   .name = "ema_update",
                   .dtypes = kReal,
                   .accuracy = Accuracy::rounded,
                   .inputs = {{.shape = flat}, {.shape = flat}, factor},
                   .run = [](const Tensors& in) -> Tensors {
                     ema_update(in[0], in[1], in[2]);
                     return {in[0]};
                   }});
}

}  // namespace mec::test
