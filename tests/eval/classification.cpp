// Top-1, top-5, classes and confusions against a count by hand.
#include "mec/eval/classification.h"

#include <doctest/doctest.h>

#include "mec/tensor/devices.h"

using namespace mec;

namespace {

Features logits(const std::vector<float>& values, std::vector<std::int32_t> labels, std::vector<std::string> names) {
  const auto rows = static_cast<std::int64_t>(labels.size());
  return {.x = Tensor::from(values, {rows, static_cast<std::int64_t>(values.size()) / rows}, make_reference_device()),
          .labels = std::move(labels),
          .class_names = std::move(names)};
}

}  // namespace

TEST_CASE("three classes: shares, confusions, and no top-5") {
  const std::vector<std::string> classes{"ant", "bee", "cat"};
  // The test images number their classes otherwise: 0 is cat, 1 is ant.
  const Classification scores = classify(logits({3, 1, 2,     // ant
                                                 0, 5, 5,     // bee: of equal ones the first
                                                 -1, -2, 0,   // cat
                                                 1, 0, 0.5},  // ant
                                                {1, 0, 0, 0}, {"cat", "ant"}),
                                         classes);
  CHECK(scores.images == 4);
  CHECK(scores.top1 == 0.5);
  CHECK_FALSE(scores.top5.has_value());
  using Row = std::vector<std::int64_t>;
  CHECK(scores.confusion == std::vector<Row>{{1, 0, 0}, {0, 0, 0}, {1, 1, 1}});
  CHECK(scores.of_class(0) == 1.0);
  CHECK_FALSE(scores.of_class(1).has_value());
  CHECK(*scores.of_class(2) == doctest::Approx(1.0 / 3));
}

TEST_CASE("top-5 of six classes counts the five largest") {
  const std::vector<std::string> classes{"a", "b", "c", "d", "e", "f"};
  const Classification scores = classify(logits({6, 5, 4, 3, 2, 1,   // f is the sixth
                                                 6, 5, 4, 3, 2, 1,   // e is the fifth
                                                 1, 2, 3, 4, 5, 6},  // f is the first
                                                {5, 4, 5}, classes),
                                         classes);
  CHECK(scores.top1 == doctest::Approx(1.0 / 3));
  REQUIRE(scores.top5.has_value());
  CHECK(*scores.top5 == doctest::Approx(2.0 / 3));
}

TEST_CASE("logits of another width, labels that are missing and classes that are not known are refused") {
  const std::vector<std::string> classes{"ant", "bee"};
  CHECK_THROWS_AS(classify(logits({1, 2, 3}, {0}, classes), classes), ShapeError);
  CHECK_THROWS_WITH_AS(classify(logits({1, 2}, {0}, {"cow"}), classes), doctest::Contains("'cow'"), ValueError);
  Features without = logits({1, 2}, {0}, classes);
  without.labels.clear();
  CHECK_THROWS_WITH_AS(classify(without, classes), doctest::Contains("needs labels"), ValueError);
}
