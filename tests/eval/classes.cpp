#include "mec/eval/classes.h"

#include <doctest/doctest.h>

#include "mec/data/formats/memory_dataset.h"
#include "mec/eval/noise.h"
#include "mec/eval/report.h"
#include "mec/tensor/devices.h"

namespace mec {
namespace {

using Labels = std::vector<std::int32_t>;
using Names = std::vector<std::string>;

const Device& device() {
  static const Device shared = make_reference_device();
  return shared;
}

// One feature in the plane for each label: class "a" lies at (1,0), "b" at (0,1), "c" at (-1,0).
Features features(const Labels& labels, const Names& names) {
  const auto width = static_cast<std::int64_t>(labels.size());
  std::vector<float> x;
  for (const std::int32_t label : labels) {
    const std::string& name = names[static_cast<std::size_t>(label)];
    x.push_back(name == "a" ? 1.0F : name == "c" ? -1.0F : 0.0F);
    x.push_back(name == "b" ? 1.0F : 0.0F);
  }
  return {.x = Tensor::from(x, {width, 2}, device()), .labels = labels, .class_names = names};
}

Features only(const Labels& labels, const Names& names = {}) {
  return {.x = {}, .labels = labels, .class_names = names};
}

std::string refusal(const Features& train, const Features& test) {
  try {
    labels_as_in(train, test);
  } catch (const ValueError& error) {
    return error.what();
  }
  return "";
}

DatasetPtr images(const Labels& labels, const Names& names) {
  const DatasetInfo info{.kind = "test",
                         .channels = 1,
                         .size = {1, 1},
                         .has_labels = !labels.empty(),
                         .class_names = names,
                         .normalization = {{0.5F}, {0.25F}}};
  return std::make_shared<MemoryDataset>(
      info, std::vector<std::uint8_t>(std::max<std::size_t>(labels.size(), 1)), labels);
}

TEST_CASE("test labels take the numbers that their names have in training") {
  const Features train = only({0, 1, 2, 3}, {"ant", "bee", "cat", "dog"});
  CHECK(labels_as_in(train, only({0, 1, 2, 1}, {"ant", "cat", "dog"})) == Labels{0, 2, 3, 2});
  CHECK(labels_as_in(train, only({1, 0}, {"dog", "ant"})) == Labels{0, 3});
  CHECK(labels_as_in(train, train) == train.labels);
  CHECK(labels_as_in(only({0, 5}), only({5, 0, 5})) == Labels{5, 0, 5});
  CHECK(labels_as_in(only({4, 7}), only({0, 1}, {"7", "4"})) ==
        Labels{7, 4});  // a number is a name
}

TEST_CASE(
    "classes that no training row has are listed, the first five of them, with those that there "
    "are") {
  const Features train = only({0, 2}, {"ant", "bee", "cat"});
  CHECK(refusal(train, only({0, 1, 2, 1}, {"Ant", "cat", "eel"})) ==
        "classes: 2 of the test images' classes have no training image: 'Ant', 'eel'; the training "
        "images are of "
        "'ant', 'cat': give a class one name in both splits, and training images (a limit may "
        "have left them out)");
  CHECK(refusal(train, only({1}, {"ant", "bee", "cat"})).find(": 'bee'; the training") !=
        std::string::npos);
  CHECK(refusal(only({0}), only({1, 2, 3, 4, 5, 6, 7}))
            .find("'1', '2', '3', '4', '5' and 2 others;") != std::string::npos);
  CHECK(labels_as_in(train, only({0}, {"cat", "eel"})) ==
        Labels{2});  // a name without rows is no class
}

TEST_CASE("labels that name no class, or two classes of one name, are refused") {
  CHECK(refusal(only({0, 2}, {"a", "b"}), only({0})) ==
        "classes: a label is 2, but only the 2 labels from 0 have class names");
  CHECK(refusal(only({0}), only({-1})) == "classes: labels count from 0, but one is -1");
  CHECK(refusal(only({0, 1}, {"a", "a"}), only({0})) ==
        "classes: two training classes are called 'a'");
  CHECK(refusal(only({}), only({0})).find("the training images have none") != std::string::npos);
  CHECK(refusal(only({0}), only({})).find("the test images have none") != std::string::npos);
}

TEST_CASE("every accuracy compares classes by name") {
  const Features train = features({0, 1, 2, 0, 1, 2}, {"a", "b", "c"});
  const Features test = features({0, 1, 1, 0}, {"c", "a"});
  CHECK(knn_accuracy(train, test, {.k = 2}) == 1.0);
  CHECK(linear_accuracy(train, test).accuracy == 1.0);
  const CleanClassifiers clean(train, {.k = 2});
  CHECK(clean.score(test).knn == 1.0);
  CHECK(clean.score(test).linear == 1.0);
  CHECK(clean.score_with_noise(test, 1e-3, 0).knn == 1.0);
  CHECK(clean.score_with_noise(test, 1e-3, 0).linear == 1.0);
  const Features strange = features({0, 1}, {"a", "d"});
  CHECK_THROWS_AS(knn_accuracy(train, strange, {.k = 2}), ValueError);
  CHECK_THROWS_AS(linear_accuracy(train, strange), ValueError);
  CHECK_THROWS_AS(clean.score(strange), ValueError);
  CHECK_THROWS_AS(clean.score_with_noise(strange, 1e-3, 0), ValueError);
}

TEST_CASE("data sets are checked by the labels that their images have") {
  const DatasetPtr train = images({0, 1}, {"a", "b"});
  CHECK_NOTHROW(check_classes(*train, *images({1}, {"x", "a"})));
  CHECK_THROWS_WITH_AS(check_classes(*train, *images({0}, {"x", "a"})), doctest::Contains("'x'"),
                       ValueError);
  CHECK_THROWS_WITH_AS(check_classes(*train, *images({}, {})),
                       doctest::Contains("the test images have none"), ValueError);
  CHECK_THROWS_AS(check_classes(*make_subset(train, {0}), *train),
                  ValueError);  // b is not in the subset
}

TEST_CASE("features of a data set carry its class names") {
  const auto view = make_eval_transform({.size = 1, .resize = 1}, {{0.5F}, {0.25F}});
  const ImageStream stream = stream_dataset(images({1, 0}, {"a", "b"}), view, device());
  CHECK(pixel_features(stream).class_names == Names{"a", "b"});
}

TEST_CASE("labels of several data sets are joined into one list of classes") {
  Names classes;
  CHECK(join_classes(classes, only({1, 0, 2}, {"a", "b", "c"})) == Labels{1, 0, 2});
  CHECK(join_classes(classes, only({0, 1, 2}, {"d", "b", "a"})) == Labels{3, 1, 0});
  CHECK(join_classes(classes, only({})).empty());
  CHECK(join_classes(classes, only({1})) == Labels{5});
  CHECK(classes == Names{"a", "b", "c", "d", "0", "1"});
}

}  // namespace
}  // namespace mec
