#include "support/tolerances.h"

namespace mec::test {
namespace {

// Half a unit in the last place: 6e-8 in f32, 2^-8 of the value in bf16.
constexpr Tolerance kNone = {};
constexpr Tolerance kOnce = {0x1p-8, 0};  // the f32 result is rounded to bf16
// And before that the term was: the result without what it was added to, so as large as the result
// and four times the rms.
constexpr Tolerance kTwice = {0x1p-7, 0x1p-6};
// The same, where the rounded term is scaled and a shift cancels most of it: up to eight times
// the rms of what is left.
constexpr Tolerance kCancelled = {0x1p-7, 0x1p-5};

struct Row {
  Accuracy accuracy;
  Tolerance f32;
  Tolerance bf16;  // in addition
  const char* reason;
};

constexpr Row kRows[] = {
    {Accuracy::exact, kNone, kNone, "moves, selects or negates: nothing is rounded"},
    {Accuracy::rounded, {1e-6, 1e-6}, kOnce, "a few roundings, and vectorised exp or log within 4 units"},
    {Accuracy::accumulated, {1e-5, 1e-5}, kOnce, "n ≤ 5000 terms in any order err by about √n·6e-8 = 4e-6 of their norm"},
    {Accuracy::added, {1e-5, 1e-5}, kTwice, "the same, but the term may be rounded to bf16 before it is added"},
    {Accuracy::transformed, {3e-5, 3e-5}, kOnce, "Winograd's algorithm, whose error is three times that of a direct sum"},
    {Accuracy::normalized, {1e-4, 1e-4}, kCancelled, "such a sum, times γ/√(var + eps), where a shift may cancel it"},
    {Accuracy::solved, {1e-4, 1e-4}, kNone, "backward error n·6e-8 = 4e-6 at n = 64, times a condition number below 25"},
};

constexpr double kF64Unit = 0x1p-29;  // the same roundings in f64: its unit in terms of f32's

Tolerance sum(const Tolerance& a, const Tolerance& b) { return {a.relative + b.relative, a.of_rms + b.of_rms}; }

}  // namespace

Tolerance tolerance_of(Accuracy accuracy, Dtype dtype) {
  if (!is_floating(dtype)) return kNone;
  for (const Row& row : kRows) {
    if (row.accuracy != accuracy) continue;
    if (dtype == Dtype::f64) return {row.f32.relative * kF64Unit, row.f32.of_rms * kF64Unit};
    return dtype == Dtype::bf16 ? sum(row.f32, row.bf16) : row.f32;
  }
  throw ValueError("tolerance_of: the table has no such row");
}

}  // namespace mec::test
