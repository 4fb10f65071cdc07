#include "mec/transfer/predictions.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <nlohmann/json.hpp>

#include "mec/eval/plot.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/io/atomic_file.h"
#include "mec/tensor/io/npy.h"
#include "mec/tensor/ops.h"
#include "mec/tensor/text.h"

namespace mec {

namespace {

// The fewest that read back as the same f32.
std::string digits(float probability) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), probability).ptr};
}

void write_table(const std::filesystem::path& path, const Predictions& predictions) {
  std::vector<std::string> header{"image", "class", "probability"};
  header.insert(header.end(), predictions.classes.begin(), predictions.classes.end());
  std::vector<std::vector<std::string>> rows{header};
  const std::vector<float> all = predictions.probabilities.to_vector<float>();
  const std::size_t width = predictions.classes.size();
  for (std::size_t i = 0; i < predictions.images.size(); ++i) {
    const std::size_t best = predictions.best(static_cast<std::int64_t>(i));
    std::vector<std::string> row{predictions.images[i], predictions.classes[best], digits(all[i * width + best])};
    for (std::size_t c = 0; c < width; ++c) row.push_back(digits(all[i * width + c]));
    rows.push_back(std::move(row));
  }
  write_csv(path, rows);
}

void write_objects(const std::filesystem::path& path, const Predictions& predictions) {
  using Json = nlohmann::ordered_json;
  const std::vector<float> all = predictions.probabilities.to_vector<float>();
  const std::size_t width = predictions.classes.size();
  std::string text = "[";
  for (std::size_t i = 0; i < predictions.images.size(); ++i) {
    Json probabilities = Json::object();
    for (std::size_t c = 0; c < width; ++c) probabilities[predictions.classes[c]] = all[i * width + c];
    const Json one{{"image", printable(predictions.images[i])},
                   {"class", predictions.classes[predictions.best(static_cast<std::int64_t>(i))]},
                   {"probabilities", probabilities}};
    text += (i > 0 ? ",\n " : "\n ") + one.dump();
  }
  replace_file(path, text + "\n]\n");
}

}  // namespace

std::size_t Predictions::best(std::int64_t image) const {
  const std::vector<float> row = probabilities.rows(image, image + 1).to_vector<float>();
  return static_cast<std::size_t>(std::ranges::max_element(row) - row.begin());
}

Predictions predict(const Classifier& classifier, const std::vector<std::string>& classes, const ImageStream& images,
                    std::vector<std::string> names, Dtype dtype) {
  const Tensor logits = embed(classifier, images, dtype).x;
  return {.classes = classes, .images = std::move(names), .probabilities = softmax(logits, 1).to(make_reference_device())};
}

void check_predictions_path(const std::filesystem::path& path) {
  const std::string ending = path.extension().string();
  check<ValueError>(ending == ".csv" || ending == ".json" || ending == ".npy", printable(path.string()),
                    ": predictions are written to a file that ends in .csv, .json or .npy");
}

void write_predictions(const std::filesystem::path& path, const Predictions& predictions) {
  check_predictions_path(path);
  if (path.extension() == ".npy") return write_npy(path, predictions.probabilities);
  if (path.extension() == ".csv") return write_table(path, predictions);
  write_objects(path, predictions);
}

}  // namespace mec
