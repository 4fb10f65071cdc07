#include "mec/transfer/results.h"

#include <algorithm>
#include <numeric>

#include <nlohmann/json.hpp>

#include "mec/tensor/io/atomic_file.h"

namespace mec {

namespace {

using Json = nlohmann::ordered_json;

Json to_json(const ComparisonRow& row) {
  Json json{{"name", row.name}, {"top1", row.top1}};
  if (!row.top5.empty()) json["top5"] = row.top5;
  if (!row.converged) json["converged"] = false;
  return json;
}

}  // namespace

std::string results_json(const Comparison& comparison) {
  Json rows = Json::array(), classes = Json::array();
  for (const ComparisonRow& row : comparison.rows) rows.push_back(to_json(row));
  const Classification& scores = comparison.classification;
  for (std::size_t label = 0; label < scores.classes.size(); ++label) {
    const std::optional<double> right = scores.of_class(label);
    classes.push_back({{"class", scores.classes[label]},
                       {"accuracy", right ? Json(*right) : Json()},
                       {"taken_for", scores.confusion[label]}});
  }
  Json all{{"trained_on", comparison.trained_on},
           {"scored_on", comparison.scored_on},
           {"network_of", comparison.chosen},
           {"rows", rows}};
  if (comparison.best) all["best_on_test_images"] = to_json(*comparison.best);
  all["classes"] = classes;
  return all.dump(1);
}

Heatmap confusion_picture(const Classification& scores) {
  Heatmap picture{.title = "share of a class's images",
                  .row_label = "class",
                  .column_label = "taken for",
                  .rows = scores.classes,
                  .columns = scores.classes,
                  .values = {}};
  for (const std::vector<std::int64_t>& counts : scores.confusion) {
    const std::int64_t all = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
    std::vector<double>& shares = picture.values.emplace_back();
    for (const std::int64_t count : counts)
      shares.push_back(static_cast<double>(count) / static_cast<double>(std::max<std::int64_t>(all, 1)));
  }
  return picture;
}

void write_results(const std::filesystem::path& folder, const Comparison& comparison) {
  replace_file(folder / kResultsFile, results_json(comparison) + "\n");
  const Classification& scores = comparison.classification;
  std::vector<std::vector<std::string>> table{{"class"}};
  table[0].insert(table[0].end(), scores.classes.begin(), scores.classes.end());
  for (std::size_t label = 0; label < scores.classes.size(); ++label) {
    std::vector<std::string>& row = table.emplace_back();
    row.push_back(scores.classes[label]);
    for (const std::int64_t count : scores.confusion[label]) row.push_back(std::to_string(count));
  }
  write_csv(folder / concat(kConfusionName, ".csv"), table);
}

}  // namespace mec
