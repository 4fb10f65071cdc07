#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "mec/tensor/philox.h"
#include "support/op_cases.h"

namespace mec::test {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInfinity = std::numeric_limits<double>::infinity();

// FNV-1a, so that cases of one kernel differ in what they get.
std::uint64_t hash(const std::string& text) {
  std::uint64_t value = 0xcbf29ce484222325;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return value;
}

struct Matrix {
  std::vector<double>& values;
  std::int64_t rows, columns;

  void fill_row(std::int64_t row, double value) const {
    if (rows < 2 || row >= rows) return;  // a single row would leave nothing else
    std::fill_n(values.begin() + row * columns, columns, value);
  }
};

// Few, so that most rows and columns keep their numbers.
void scatter(const std::vector<double>& choices, std::vector<double>& values, RandomStream& random) {
  if (values.empty()) return;
  const std::size_t count = std::clamp<std::size_t>(values.size() / 16, 1, 4);
  for (std::size_t i = 0; i < count; ++i) values[random.below(values.size())] = choices[random.below(choices.size())];
}

// A matrix that is to be solved keeps its numbers: rounded, it might be nearly singular.
void make_equal(Fill fill, const Matrix& m, RandomStream& random) {
  if (fill != Fill::pivoted_matrix && fill != Fill::definite_matrix) {
    for (double& value : m.values) {
      const auto draw = random.below(8);
      value = draw > 1 ? std::round(value) : draw ? 0.0 : -0.0;
    }
    for (std::int64_t r = 1; r < m.rows && m.columns > 1; ++r) m.values.data()[r * m.columns] = m.values.front();
  }
  m.fill_row(m.rows - 1, 0.0);
}

}  // namespace

OpCase planted(const OpCase& op, Plant plant, std::uint64_t seed) {
  OpCase out = op;
  constexpr const char* kNames[] = {"NaN", "infinities", "equals", "rows of infinities and NaN"};
  out.name += concat(" with ", kNames[static_cast<std::size_t>(plant)]);
  out.special = Special::given;
  RandomStream random(seed, hash(op.name), static_cast<std::uint64_t>(plant), Purpose::test);
  bool first = true;
  for (std::size_t i = 0; i < out.inputs.size(); ++i) {
    Input& input = out.inputs[i];
    if (input.role != Role::activation && input.role != Role::statistic) continue;
    // A number that all results depend on rarely, and one input at least.
    const bool chosen = random.below(input.shape.numel() == 1 ? 4 : 2) == 0 || plant == Plant::equals;
    if (!std::exchange(first, false) && !chosen) continue;
    input.values = values_of(input, seed, i);
    const std::int64_t columns = input.shape.rank() ? input.shape.dim(-1) : 1;
    const Matrix m{input.values, columns ? input.shape.numel() / columns : 0, columns};
    switch (plant) {
      case Plant::nan: scatter({kNan}, input.values, random); break;
      case Plant::infinity: scatter({kInfinity, -kInfinity}, input.values, random); break;
      case Plant::equals: make_equal(input.fill, m, random); break;
      case Plant::rows: m.fill_row(0, -kInfinity), m.fill_row(2, kNan); break;
    }
    input.fill = Fill::given;
  }
  return out;
}

}  // namespace mec::test
