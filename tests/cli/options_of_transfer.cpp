// Options of the commands that train on labels, against the settings that the library makes with
// each option's choice: the run's folder keeps them.
#include <doctest/doctest.h>

#include <functional>

#include <nlohmann/json.hpp>

#include "mec/data/formats/open_dataset.h"
#include "mec/nn/files/weights.h"
#include "mec/nn/initialize.h"
#include "mec/ssl/run/saved_encoder.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/io/npy.h"
#include "mec/transfer/protocol.h"
#include "support/option_rows.h"

using namespace mec;
using namespace mec::test;

namespace {

const std::set<std::string> kWeights{"source",     "--arch", "--stem",          "--width",
                                     "--channels", "--size", "--normalization", "--prefix"};
const std::set<std::string> kTransfer{"--protocol",    "--fraction", "--list", "--validation", "--epochs",
                                      "--train-batch", "--seeds",    "--set",  "--resume",     "--out"};

struct Row {
  std::string option;
  Words words;
  std::function<void(PretrainSettings&)> choose;  // before the batch is made to fit
};

struct Fixture : RunFixture {
  mutable int folders = 0;

  Fixture() {
    run({"pretrain", config, "--out", at("run")});
    write_images(folder / "other", 44, 12);
    write_bytes(folder / "list.txt", "0\n1\n2\n3\n4\n5\n6\n7\n12\n13\n14\n15\n");
    PretrainSettings protocol = finetuning_protocol(8);
    protocol.train.momentum = 0.5;
    protocol.augment.views[0].flip_probability = 0;
    write_bytes(folder / "protocol.toml", write_settings(protocol));
  }
  // The settings that a run of the command keeps.
  std::string kept(const Words& command, const Words& words) const {
    const std::string out = concat("out-", folders++);
    run(joined(command, joined(words, {"--out", at(out)})));
    return read_bytes(folder / out / "settings.toml");
  }
  PretrainSettings settings(PretrainSettings protocol, const std::function<void(PretrainSettings&)>& choose) const {
    begin_from(protocol, SavedEncoder(at("run")));
    protocol.data.path = at("data");
    protocol.data.kind = "auto";
    protocol.train.epochs = 1;
    choose(protocol);
    fit_batch(protocol, protocol.data.fraction == 0.5 ? 20 : 40);
    return protocol;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "mec finetune trains with the settings that its options choose") {
  const std::string other = at("other"), list = at("list.txt"), protocol = at("protocol.toml");
  const std::vector<Row> rows{
      {"--data", {"--data", other}, [&](PretrainSettings& s) { s.data.path = other; }},
      {"--kind",
       {"--data", other, "--kind", "mnist"},
       [&](PretrainSettings& s) {
         s.data.path = other;
         s.data.kind = "mnist";
       }},
      {"--fraction", {"--fraction", "0.5"}, [](PretrainSettings& s) { s.data.fraction = 0.5; }},
      {"--list",
       {"--list", list, "--train-batch", "8"},
       [&](PretrainSettings& s) {
         s.data.list = list;
         set_batch(s, 8);
       }},
      {"--validation",
       {"--validation", "0.2", "--train-batch", "8"},
       [](PretrainSettings& s) {
         s.data.validation = 0.2;
         set_batch(s, 8);
       }},
      {"--epochs", {"--epochs", "2"}, [](PretrainSettings& s) { s.train.epochs = 2; }},
      {"--train-batch", {"--train-batch", "16"}, [](PretrainSettings& s) { set_batch(s, 16); }},
      {"--set", {"--set", "train.momentum=0.1"}, [](PretrainSettings& s) { s.train.momentum = 0.1; }},
      {"--precision", {"--precision", "bf16"}, [](PretrainSettings& s) { s.train.precision = "bf16"; }},
      {"--seed", {"--seed", "7"}, [](PretrainSettings& s) { s.train.seed = 7; }},
      {"--workers", {"--workers", "3"}, [](PretrainSettings& s) { s.data.workers = 3; }},
      {"--no-graph", {"--no-graph"}, [](PretrainSettings&) {}},
  };
  std::set<std::string> tested{"--scratch", "--json", "--no-baselines"};
  for (const Row& row : rows) {
    CAPTURE(row.option);
    tested.insert(row.option);
    Words words = row.words;
    if (row.option != "--epochs") words = joined({"--epochs", "1"}, words);
    CHECK(kept({"finetune", at("run"), "--no-baselines"}, words) ==
          write_settings(settings(finetuning_protocol(8), row.choose)));
  }
  CHECK(kept({"finetune", at("run"), "--no-baselines"}, {"--epochs", "1", "--protocol", protocol}) ==
        write_settings(settings(read_settings(protocol), [](PretrainSettings&) {})));
  check_rows({"finetune"}, and_also(and_also(tested, kTransfer), kWeights));
}

TEST_CASE_FIXTURE(Fixture, "mec eval linear --protocol does the same with its own protocol, and its options ask for it") {
  const auto same = [](PretrainSettings& s) {
    s.data.limit = s.eval.limit = 24;
    s.data.workers = 2;
    s.train.precision = "bf16";
    set_batch(s, 8);
  };
  CHECK(kept({"eval", "linear", at("run"), "--no-baselines", "--protocol", "sgd"},
             {"--epochs", "1", "--limit", "24", "--workers", "2", "--precision", "bf16", "--train-batch", "8"}) ==
        write_settings(settings(linear_protocol(), same)));
  CHECK(kept({"eval", "linear", at("run"), "--no-baselines", "--protocol", at("protocol.toml")}, {"--epochs", "1"}) ==
        write_settings(settings(read_settings(at("protocol.toml")), [](PretrainSettings&) {})));
  check_fails(folder, 2, "--epochs requires --protocol", {"eval", "linear", at("run"), "--epochs", "3"});
  check_fails(folder, 2, "--out is needed",
              {"eval", "linear", at("run/encoder.safetensors"), "--data", at("data"), "--protocol", "sgd"});
}

TEST_CASE_FIXTURE(Fixture, "--seeds trains a run for each, --no-baselines nothing beside, and --json prints results.json") {
  const Words words{"finetune", at("run"), "--epochs", "1", "--fraction", "0.5", "--seeds", "2", "--seed", "4", "--json"};
  const ProgramResult all = run(joined(words, {"--out", at("all")})),
                      alone = run(joined(words, {"--no-baselines", "--out", at("alone")}));
  CHECK(read_settings(at("all/settings.toml")).train.seed == 4);
  CHECK(read_settings(at("all/seed-5/settings.toml")).train.seed == 5);
  CHECK(std::filesystem::exists(folder / "all/scratch-seed-5"));
  CHECK_FALSE(std::filesystem::exists(folder / "alone/scratch"));
  CHECK(nlohmann::json::parse(all.out) == nlohmann::json::parse(read_bytes(folder / "all/results.json")));
  CHECK(nlohmann::json::parse(all.out).at("rows").size() == 4);
  CHECK(nlohmann::json::parse(alone.out).at("rows").size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "--scratch has the network and the images' scaling of its settings, and all of it learns") {
  PretrainSettings expected = from_scratch(finetuning_protocol(8));
  const PretrainSettings of_run = read_settings(config);
  expected.model.arch = of_run.model.arch;
  expected.model.stem = of_run.model.stem;
  expected.model.width = of_run.model.width;
  expected.data.path = of_run.data.path;
  expected.data.eval_size = expected.augment.views[0].size = 8;
  expected.train.epochs = 1;
  fit_batch(expected, 40);
  CHECK(kept({"finetune", "--scratch", config}, {"--epochs", "1", "--no-baselines"}) == write_settings(expected));
}

TEST_CASE_FIXTURE(Fixture, "weights that say nothing of themselves are described by options") {
  ResNet encoder({.arch = "resnet10", .width = 4, .in_channels = 1, .stem = Stem::imagenet}, make_reference_device());
  initialize(encoder, 5);
  struct Prefixed : Module {
    explicit Prefixed(ResNet& all) : inner(all) {}
    Variable forward(const Variable& x, const Pass& pass) const override { return inner.forward(x, pass); }
    void visit(const std::string& prefix, Visitor& visitor) override { inner.visit(prefix + "net.", visitor); }
    ResNet& inner;
  } prefixed(encoder);
  save_weights(folder / "w.safetensors", prefixed);
  const PretrainSettings made =
      parse_settings(kept({"finetune", at("w.safetensors"), "--no-baselines"},
                          {"--arch", "resnet10", "--width", "4", "--channels", "1", "--stem", "imagenet", "--size", "8",
                           "--normalization", "mnist", "--prefix", "net.", "--data", at("data"), "--epochs", "1"}),
                     "settings");
  CHECK(made.model.stem == "imagenet");
  CHECK(made.data.mean == std::vector<double>{static_cast<double>(normalization_preset("mnist").mean[0])});
  CHECK(made.augment.views[0].size == 8);
}

TEST_CASE_FIXTURE(Fixture, "mec predict takes images and writes them as its options say") {
  run({"finetune", at("run"), "--epochs", "1", "--no-baselines", "--out", at("ft")});
  const auto predicted = [&](const Words& words) {
    run(joined({"predict", at("ft"), "--out", at("p.npy"), "--threads", "1"}, words));
    return read_npy(folder / "p.npy", make_reference_device());
  };
  const Tensor base = predicted({});
  CHECK(base.shape() == Shape{20, 10});
  CHECK(predicted({"--split", "train"}).dim(0) == 40);
  CHECK(predicted({"--limit", "7"}).dim(0) == 7);
  CHECK(predicted({"--images", at("other")}).dim(0) == 12);
  CHECK(predicted({"--images", at("other"), "--kind", "mnist"}).dim(0) == 12);
  CHECK(predicted({"--workers", "0", "--batch", "20"}).to_vector<float>() == base.to_vector<float>());
  CHECK(predicted({"--precision", "bf16"}).to_vector<float>() != base.to_vector<float>());
  // The same pixels from an array.
  const DatasetPtr test = open_dataset({.path = at("data"), .split = Split::test});
  std::vector<std::uint8_t> pixels;
  for (std::int64_t i = 0; i < test->size(); ++i) {
    const Image image = test->read(i);
    pixels.insert(pixels.end(), image.pixels.begin(), image.pixels.end());
  }
  write_npy(folder / "images.npy", Tensor::from(pixels, {20, 8, 8, 1}, make_reference_device()));
  CHECK(predicted({"--images", at("images.npy")}).to_vector<float>() == base.to_vector<float>());
  check_rows({"predict"},
             and_also(kWeights, {"--images", "--split", "--out", "--kind", "--limit", "--workers", "--batch", "--precision"}));
}
