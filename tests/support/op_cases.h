// The table of cases that every kernel of every backend runs: for tests, and for timing.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "mec/tensor/tensor.h"
#include "support/tolerances.h"

namespace mec::test {

// What an input is filled with, from the seed and the input's place in the list.
enum class Fill {
  normal,
  positive,         // within [0.5, 2.5)
  integers,         // whole numbers in [low, high): they make ties, labels and indices
  given,            // `values`
  pivoted_matrix,   // normal/√n with 2 on the other diagonal: well conditioned, and LU must swap rows
  contraction,      // normal/(2√n): spectral radius about a half
  definite_matrix,  // GGᵀ/n + I
};

// Which dtype it has when the case runs in `dtype`.
enum class Role { activation, statistic, i32, i64 };  // dtype, accumulator_of(dtype), …

struct Input {
  Shape shape;
  Fill fill = Fill::normal;
  Role role = Role::activation;
  double low = 0, high = 0;
  std::vector<double> values = {};
};

using Tensors = std::vector<Tensor>;

struct OpCase {
  std::string kernel;  // the member of Backend that it is about
  std::string name;
  std::vector<Dtype> dtypes;
  Accuracy accuracy = Accuracy::exact;
  double flops = 0;  // 0 where memory is what counts
  std::vector<Input> inputs = {};
  std::function<Tensors(const Tensors&)> run = {};
};

std::vector<OpCase> op_cases();

// Inputs rounded to `dtype` (each by its role), held in `compute`, on `device`; the same numbers for every device.
Tensors make_inputs(const OpCase& op, std::uint64_t seed, Dtype dtype, Dtype compute, const Device& device);

// A copy of x that does not begin where a vector of numbers may: element 1 of a longer tensor.
Tensor misaligned(const Tensor& x);
// {x with 0 for NaN, 1 where it was NaN and else 0}: a comparison fails on NaN.
Tensors nan_apart(const Tensor& x);

// Runs the case on the device, with guarded memory, and on the reference in f64 from the very numbers that the device gets, so that only
// the device's own error is seen; doctest checks.
void check_case(const OpCase& op, Dtype dtype, std::uint64_t seed, const Device& device);
// All cases, in every dtype that the device supports.
void check_device(const Device& device);

// The families that op_cases() joins.
void add_memory_cases(std::vector<OpCase>& table);
void add_elementwise_cases(std::vector<OpCase>& table);
void add_product_cases(std::vector<OpCase>& table);
void add_batch_norm_cases(std::vector<OpCase>& table);
void add_pooling_cases(std::vector<OpCase>& table);
void add_row_cases(std::vector<OpCase>& table);
void add_matrix_cases(std::vector<OpCase>& table);
void add_tsne_cases(std::vector<OpCase>& table);
void add_optimizer_cases(std::vector<OpCase>& table);

inline const std::vector<Dtype> kReal = {Dtype::f32};
inline const std::vector<Dtype> kActivations = {Dtype::f32, Dtype::bf16};

}  // namespace mec::test
