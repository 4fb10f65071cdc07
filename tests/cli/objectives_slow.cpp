// Each method learns: one short run on Fashion-MNIST ends above a random encoder in the linear
// probe. Minutes: label `slow`.
#include <doctest/doctest.h>
#include <map>
#include <nlohmann/json.hpp>

#include "mec/ssl/methods/methods.h"
#include "support/paths.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

namespace {

// What a method needs for a narrow network, a batch of 128 and 156 steps, where the default
// numbers are made for ResNet-50 and a hundred epochs. The lr of LARS is that of a batch of 128
// several times over: a short run has no time for less.
struct Row {
  std::string method;
  std::vector<std::string> settings;
};
const std::vector<Row> kRows{
    {"mec",
     {"model.dim=512", "model.pred_hidden=128", "train.lr=1.5", "mec.symmetrize=true", "mec.eps2=256", "train.ema=0.98"}},
    {"simsiam", {"model.dim=512", "model.pred_hidden=128", "train.lr=0.2"}},
    {"barlow-twins", {"model.dim=256", "train.lr=1"}},
    {"simclr", {"model.dim=128", "train.lr=1"}},
    {"moco-v2", {"model.dim=128", "train.lr=0.1", "moco-v2.queue=4096"}},
    {"swav", {"model.dim=128", "model.prototypes=300", "train.lr=1"}},
    {"byol", {"model.dim=128", "model.pred_hidden=128", "train.lr=1"}},
    {"vicreg", {"model.dim=256", "train.lr=1"}}};

void train_on_fashion(const TempFolder& folder, const std::string& data, const Row& row) {
  std::vector<std::string> arguments{"pretrain", (source_dir() / "examples/configs/fashion_mnist.toml").string(), "--out",
                                     (folder / row.method).string()};
  std::vector<std::string> settings{"method=" + row.method, "data.path=" + data, "data.limit=10000",
                                    "train.batch=128",      "train.epochs=2",    "train.warmup_epochs=0.2",
                                    "model.proj_hidden=256"};
  settings.insert(settings.end(), row.settings.begin(), row.settings.end());
  for (const std::string& setting : settings) arguments.insert(arguments.end(), {"--set", setting});
  const ProgramResult trained = run_program(folder, arguments);
  REQUIRE_MESSAGE(trained.status == 0, trained.err);
}

// Linear probe on 10,000 images of either split, in percent, by the name of the features.
std::map<std::string, double> probe(const TempFolder& folder, const Row& row, bool baselines) {
  std::vector<std::string> arguments{"eval", "linear", (folder / row.method).string(), "--limit", "10000", "--json"};
  if (!baselines) arguments.emplace_back("--no-baselines");
  const ProgramResult probed = run_program(folder, arguments);
  REQUIRE_MESSAGE(probed.status == 0, probed.err);
  const auto json = nlohmann::json::parse(probed.out);
  std::map<std::string, double> accuracies;
  for (const auto& entry : json.at("rows")) accuracies[entry.at("features")] = 100 * entry.at("linear_accuracy").get<double>();
  return accuracies;
}

}  // namespace

TEST_SUITE_BEGIN("slow");

TEST_CASE("every method ends above a random encoder on Fashion-MNIST") {
  const TempFolder folder;
  std::string data = (source_dir() / ".deps/usr/share/datasets/fashion-mnist").string();
  if (!std::filesystem::exists(data)) data = "/usr/share/datasets/fashion-mnist";
  REQUIRE_MESSAGE(std::filesystem::exists(data), "tools/setup.sh installs the images");
  CHECK(kRows.size() == methods().size());
  double random = 0;
  for (const Row& row : kRows) {
    CAPTURE(row.method);
    train_on_fashion(folder, data, row);
    const auto accuracies = probe(folder, row, random == 0);
    // The same for all: seed and architecture are.
    if (random == 0) random = accuracies.at("random encoder");
    const double trained = accuracies.at(row.method == "mec" ? "MEC encoder" : "trained encoder");
    MESSAGE(row.method, ": ", trained, " %, a random encoder ", random, " %");
    // Above it by more than three standard errors of two accuracies of 10,000 images:
    // 3·√(2·0.7·0.3/10,000) = 2 points.
    CHECK(trained > random + 2);
    CHECK(random > 30);
  }
}

TEST_SUITE_END();
