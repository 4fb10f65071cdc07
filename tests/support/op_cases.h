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
  // Normal/√n with 2 on the other diagonal: well conditioned, and LU must swap rows.
  pivoted_matrix,
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

// Numbers that are not finite, zeros of both signs and equals: what a case has to do with them.
enum class Special {
  planted,   // it also runs with each Plant in its inputs
  given,     // its inputs hold them already, or indices that are out of range
  left_out,  // `why` they are kept away from it
};

struct OpCase {
  std::string kernel;  // the name of the kernel that it is about
  std::string name;
  std::vector<Dtype> dtypes;
  Accuracy accuracy = Accuracy::exact;
  double flops = 0;  // 0 where memory is what counts
  std::vector<Input> inputs = {};
  std::function<Tensors(const Tensors&)> run = {};
  Special special = Special::planted;
  const char* why = "";
};

struct OpFamily {
  const char* name;
  void (*add)(std::vector<OpCase>& table);
};

std::vector<OpCase> op_cases();  // of all families
std::vector<OpCase> op_cases(const OpFamily& family);

// One device for every table: a fresh one clears its memory first, which takes longer than most
// cases.
const Device& reference_device();
// Inputs rounded to `dtype` (each by its role), held in `compute`, on `device`; the same numbers
// for every device.
Tensors make_inputs(const OpCase& op, std::uint64_t seed, Dtype dtype, Dtype compute, const Device& device);

// A copy of x that does not begin where a vector of numbers may: element 1 of a longer tensor.
Tensor misaligned(const Tensor& x);
// The numbers of input `place` of a case.
std::vector<double> values_of(const Input& input, std::uint64_t seed, std::size_t place);

// What is planted: some NaN; some infinities; zeros of both signs and equals, with a row of zeros
// and a constant column; a row of −∞ and one of NaN.
enum class Plant : std::uint8_t { nan, infinity, equals, rows };
inline constexpr Plant kPlants[] = {Plant::nan, Plant::infinity, Plant::equals, Plant::rows};
// The case with its inputs given, `plant` in some of them, which `seed` and the case's name choose.
OpCase planted(const OpCase& op, Plant plant, std::uint64_t seed);

// Results as a case demands them; doctest checks. narrowed: the device may round them to bf16 on
// the way.
void check_results(const OpCase& op, const Tensors& actual, const Tensors& expected, bool narrowed = false);
// Runs the case on the device, with guarded memory, and on the reference in f64 from the very
// numbers that the device gets, so that only the device's own error is seen.
void check_case(const OpCase& op, Dtype dtype, std::uint64_t seed, const Device& device);
// All cases of a family in the dtypes that they and the device have, as they stand and, in small
// sizes, with each Plant.
void check_family(const OpFamily& family, const Device& device, std::uint64_t seed);
// The same for the cases of one kernel; fails where there is none.
void check_kernel(const std::string& kernel, const Device& device, std::uint64_t seed);

void add_memory_cases(std::vector<OpCase>& table);
void add_elementwise_cases(std::vector<OpCase>& table);
void add_product_cases(std::vector<OpCase>& table);
void add_batch_norm_cases(std::vector<OpCase>& table);
void add_pooling_cases(std::vector<OpCase>& table);
void add_row_cases(std::vector<OpCase>& table);
void add_matrix_cases(std::vector<OpCase>& table);
void add_tsne_cases(std::vector<OpCase>& table);
void add_optimizer_cases(std::vector<OpCase>& table);

inline constexpr OpFamily kOpFamilies[] = {{"memory", add_memory_cases},      {"elementwise", add_elementwise_cases},
                                           {"products", add_product_cases},   {"batch_norm", add_batch_norm_cases},
                                           {"pooling", add_pooling_cases},    {"rows", add_row_cases},
                                           {"matrices", add_matrix_cases},    {"tsne", add_tsne_cases},
                                           {"optimizer", add_optimizer_cases}};

inline const std::vector<Dtype> kReal = {Dtype::f32};
inline const std::vector<Dtype> kActivations = {Dtype::f32, Dtype::bf16};

}  // namespace mec::test
