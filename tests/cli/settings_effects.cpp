// Every setting has its effect under its name: runs made from texts, as `--set` takes them, against
// a run that is written out in the test (support/plain_run.h) with the members that each text
// stands for.
#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include <nlohmann/json.hpp>

#include "data/fixtures.h"
#include "mec/data/formats/open_dataset.h"
#include "mec/data/labelled_subset.h"
#include "mec/eval/encoder_scorer.h"
#include "mec/nn/files/weights.h"
#include "mec/nn/files/weights_info.h"
#include "mec/nn/initialize.h"
#include "mec/ssl/methods/methods.h"
#include "mec/ssl/run/evaluations.h"
#include "mec/ssl/run/run_directory.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/ssl/run/settings_table.h"
#include "mec/ssl/run/train_run.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/io/safetensors.h"
#include "mec/tensor/ops.h"
#include "support/program.h"
#include "support/setting_effects.h"

using namespace mec;
using namespace mec::test;

namespace {

// `count` random records of CIFAR-10, from the seed on.
std::string cifar_records(int count, std::uint64_t seed) {
  std::string records;
  for (int i = 0; i < count; ++i) {
    const Image image = random_image({32, 32}, 3, seed + static_cast<std::uint64_t>(i));
    records += static_cast<char>(i % 10);
    records.append(image.pixels.begin(), image.pixels.end());
  }
  return records;
}

// Two folders of images in color; the first holds gray ones as well, for data.kind to choose. A
// third holds files with the note that they stand upright when turned; in the fourth, three of such
// files are cut short.
struct Images {
  Images() {
    for (const char* name : {"noted", "broken"}) write_noted_images(folder / name, 26, 0);
    for (const char* name : {"0/1003", "1/1010", "2/1023"})
      std::filesystem::resize_file(folder / concat("broken/train/", name, ".png"), 100);
    write_images(folder / "data", 26, 26);
    for (const char* name : {"data", "other"}) {
      const std::uint64_t seed = name == std::string("data") ? 0 : 1000;
      for (int i = 1; i <= 5; ++i) {
        const std::string records =
            cifar_records(i == 1 ? 6 : 5, seed + 100 * static_cast<std::uint64_t>(i));
        write_bytes(folder / concat(name, "/data_batch_", i, ".bin"), records);
      }
      write_bytes(folder / concat(name, "/test_batch.bin"), cifar_records(26, seed + 700));
    }
    write_bytes(folder / "list.txt", "3\n7\n1\n2\n4\n5\n6\n25\n24\n20\n21\n");
    ResNet encoder({.arch = "resnet10", .width = 8, .stem = Stem::cifar}, device);
    initialize(encoder, 99);
    save_weights(folder / "encoder.safetensors", encoder,
                 to_metadata({.encoder = encoder.config, .mean = {0.5, 0.5, 0.5}, .std = {0.5, 0.5, 0.5}}));
    // Two encoders in one file, of which a prefix says which.
    SafetensorsFile both;
    for (const NamedTensor& t : read_safetensors(folder / "encoder.safetensors", device).tensors) {
      both.tensors.push_back({"a." + t.name, t.tensor});
      both.tensors.push_back({"b." + t.name, scale(t.tensor.to(Dtype::f32), 0.5)});
    }
    write_safetensors(folder / "two.safetensors", both);
  }
  std::string path(const std::string& name) const { return (folder / name).string(); }

  TempFolder folder;
  Device device = make_cpu_device({.threads = 1});
};

PretrainSettings on_images(PretrainSettings settings, const Images& images) {
  if (settings.data.path.empty()) settings.data.path = images.path("data");
  if (settings.data.kind == "auto") settings.data.kind = "cifar10";
  return settings;
}

PlainRun plain_run_on(const PretrainSettings& settings, const Images& images, bool nudged = false) {
  const DataSettings& data = settings.data;
  const DatasetPtr dataset =
      open_dataset({.path = data.path,
                    .kind = data.kind,
                    .split = data.split == "test" ? Split::test : Split::train,
                    .limit = data.limit,
                    .channels = static_cast<int>(data.channels),
                    .exif_orientation = data.exif_orientation});
  const DatasetPtr chosen =
      !data.list.empty() ? make_subset(dataset, listed_images(*dataset, data.list))
                         : make_subset(dataset, draw_of_each_class(*dataset, data.fraction, settings.train.seed));
  const DatasetPtr rest =
      data.validation > 0 ? make_subset(chosen, hold_out_of_each_class(*chosen, data.validation, settings.train.seed).rest)
                          : chosen;
  Normalization normalization = dataset->info().normalization;
  if (!data.mean.empty()) {
    normalization.mean.assign(data.mean.begin(), data.mean.end());
    normalization.std.assign(data.std.begin(), data.std.end());
  }
  return plain_run(settings, rest, normalization, images.device, nudged);
}

std::vector<nlohmann::json> lines_of(const std::filesystem::path& path) {
  std::vector<nlohmann::json> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

// Takes the lines of scores out, which are those of an epoch.
std::vector<nlohmann::json> take_scores(std::vector<nlohmann::json>& lines) {
  const auto is_of_step = [](const nlohmann::json& line) { return line.contains("loss") || line.contains("data_seconds"); };
  const auto scores = std::stable_partition(lines.begin(), lines.end(), is_of_step);
  std::vector<nlohmann::json> taken(scores, lines.end());
  lines.erase(scores, lines.end());
  return taken;
}

// Those that are asked for, after the epochs that are asked for, on as many images. What they are,
// tests/cli/evaluation.cpp compares with mec eval.
void check_scores(const std::filesystem::path& run, const PretrainSettings& settings, const PlainRun& plain,
                  std::int64_t per_epoch, const std::vector<nlohmann::json>& scores, const std::vector<nlohmann::json>& times) {
  const EvalSettings& eval = settings.eval;
  CHECK(scores.size() == times.size());
  std::size_t i = 0;
  for (std::int64_t epoch = 1; epoch <= settings.train.epochs; ++epoch) {
    if (eval.every_epochs == 0 || epoch % eval.every_epochs != 0) continue;
    REQUIRE(i < scores.size());
    std::set<std::string> names{"epoch", "step"};
    if (eval.knn) names.insert("knn");
    if (eval.probe) names.insert("probe");
    if (eval.knn && plain.has_teacher) names.insert("teacher_knn");
    if (eval.probe && plain.has_teacher) names.insert("teacher_probe");
    std::set<std::string> found;
    for (const auto& [name, value] : scores[i].items()) found.insert(name);
    CHECK(found == names);
    CHECK(scores[i].at("epoch") == epoch);
    CHECK(scores[i].at("step") == epoch * per_epoch);
    CHECK(times[i].at("seconds") > 0);
    ++i;
  }
  CHECK(i == scores.size());
  CHECK(std::filesystem::exists(run / kBestEncoderFile) == (i > 0));
  if (i == 0) return;
  const std::int64_t images = eval.limit > 0 ? std::min<std::int64_t>(eval.limit, 26) : 26;
  CHECK(read_safetensors_metadata(run / kBestEncoderFile)
            .at("scored_by")
            .ends_with(concat(" of ", images, " test images by ", images, " training images")));
}

// metrics.jsonl holds what was reported, every number that the run has under its own name and no
// other.
void check_metrics(const std::filesystem::path& run, const std::vector<StepReport>& reports,
                   const PretrainSettings& settings, const PlainRun& plain) {
  const auto per_epoch = static_cast<std::int64_t>(plain.steps.size()) / settings.train.epochs;
  auto lines = lines_of(run / kMetricsFile), timings = lines_of(run / kTimingsFile);
  check_scores(run, settings, plain, per_epoch, take_scores(lines), take_scores(timings));
  CHECK(std::filesystem::exists(run / kEventsFile) == settings.log.tensorboard);
  REQUIRE(lines.size() == reports.size());
  REQUIRE(timings.size() == reports.size());
  for (std::size_t i = 0; i < reports.size(); ++i) {
    CAPTURE(i);
    const StepReport& report = reports[i];
    nlohmann::json expected{{"step", i + 1},
                            {"epoch", static_cast<std::int64_t>(i) / per_epoch + 1},
                            {"lr", report.values.lr}};
    if (plain.has_teacher) expected["ema"] = report.values.ema;
    for (const auto& [name, value] : report.scheduled) expected[name] = value;
    for (const auto& [name, value] : report.metrics) expected[name] = value;
    CHECK(lines[i] == expected);
    const nlohmann::json measured{
        {"step", i + 1}, {"seconds", report.seconds}, {"data_seconds", report.data_seconds}};
    CHECK(timings[i] == measured);
  }
}

// encoder.safetensors has the bits of the last step's encoder, and says what it is.
void check_encoder(const std::filesystem::path& run, const PretrainSettings& settings,
                   const NamedValues& end, const Images& images) {
  const WeightsInfo info = read_weights_info(run / kEncoderFile);
  CHECK(info.encoder.arch == settings.model.arch);
  CHECK(info.encoder.width == settings.model.width);
  CHECK(info.encoder.stem == (settings.model.stem == "cifar" ? Stem::cifar : Stem::imagenet));
  CHECK(info.image_size ==
        (settings.data.eval_size > 0 ? settings.data.eval_size : settings.augment.views[0].size));
  ResNet encoder(info.encoder, images.device);
  load_weights(run / kEncoderFile, encoder);
  NamedValues values;
  add_values("encoder.", encoder, values);
  for (const auto& entry : values) CHECK_MESSAGE(end.at(entry.first) == entry.second, entry.first);
}

// The row's texts, given to the program's own functions; then its files against the plain run.
void check_row(const SettingRow& row, const Images& images) {
  CAPTURE(row.method);
  CAPTURE(row.change.assignment);
  PretrainSettings settings = on_images(base_settings(row.method), images);
  for (const Change& change : row.beside) apply_assignments(settings, {change.assignment});
  apply_assignments(settings, {row.change.assignment});
  for (const Change& change : row.after) apply_assignments(settings, {change.assignment});

  const PretrainSettings meant = on_images(settings_with(row), images);
  const PlainRun plain = plain_run_on(meant, images);
  const TempFolder folder;
  Witness witness;
  train_run(settings, images.device, folder / "run", {.observers = {&witness}, .make_scorer = make_encoder_scorer});
  check_run(witness, plain, [&] { return plain_run_on(meant, images, true); });
  check_metrics(folder / "run", witness.steps, meant, plain);
  check_encoder(folder / "run", meant, witness.end, images);
  if (row.changes_training)
    check_different(plain_run_on(on_images(settings_without(row), images), images), plain);
}

// Settings whose values are these folders, or that matter in one of them alone.
std::vector<SettingRow> folder_rows(const Images& images) {
  const auto path = [&](const std::string& name) {
    const std::string folder = images.path(name);
    return Change{"data.path=" + folder, [=](PretrainSettings& s) { s.data.path = folder; }};
  };
  const Change kind{"data.kind=folder", [](PretrainSettings& s) { s.data.kind = "folder"; }};
  const Change skip{"data.on_broken=skip", [](PretrainSettings& s) { s.data.on_broken = OnBroken::skip; }};
  const std::string list = images.path("list.txt"), weights = images.path("encoder.safetensors"),
                    two = images.path("two.safetensors");
  const Change two_weights{"model.weights=" + two, [=](PretrainSettings& s) { s.model.weights = two; }};
  return {{.change = path("other")},
          {.change = {"data.list=" + list, [=](PretrainSettings& s) { s.data.list = list; }}},
          {.change = {"model.weights=" + weights, [=](PretrainSettings& s) { s.model.weights = weights; }}},
          {.change = {"model.weights_prefix=b.", [](PretrainSettings& s) { s.model.weights_prefix = "b."; }},
           .beside = {two_weights},
           .changes_training = false},  // without it, the run would not begin
          {.change = {"data.exif_orientation=true", [](PretrainSettings& s) { s.data.exif_orientation = true; }},
           .beside = {path("noted"), kind}},
          // (Without it, the run would stop.)
          {.change = skip, .beside = {path("broken"), kind}, .changes_training = false},
          {.change = {"data.broken_limit=3", [](PretrainSettings& s) { s.data.broken_limit = 3; }},
           .beside = {path("broken"), kind, skip},
           .changes_training = false}};
}

bool has_row(const std::string& key, const std::vector<SettingRow>& rows) {
  return std::ranges::any_of(rows, [&](const SettingRow& row) { return row.key() == key; });
}

}  // namespace

TEST_CASE("every setting of every method has a row of tests") {
  const Images images;
  for (const Method& method : methods()) {
    PretrainSettings settings = base_settings(method.name);
    for (const Setting& setting : bind_settings(settings)) {
      const bool known = has_row(setting.key, training_rows()) || has_row(setting.key, data_rows()) ||
                         has_row(setting.key, augment_rows()) || has_row(setting.key, eval_rows()) ||
                         has_row(setting.key, folder_rows(images));
      CHECK_MESSAGE(known, setting.key, " is in no row of tests/support/setting_rows.cpp");
    }
  }
}

TEST_CASE("every setting of models, objectives and optimisers has its effect under its name") {
  const Images images;
  for (const SettingRow& row : training_rows()) check_row(row, images);
}

TEST_CASE("every setting of the images has its effect under its name") {
  const Images images;
  for (const SettingRow& row : data_rows()) check_row(row, images);
  for (const SettingRow& row : folder_rows(images)) check_row(row, images);
}

TEST_CASE("every setting of the scores has its effect under its name, and none on training") {
  const Images images;
  for (const SettingRow& row : eval_rows()) check_row(row, images);
}

TEST_CASE("every setting of the augmentation has its effect under its name, for all views and for each") {
  const Images images;
  for (const SettingRow& row : augment_rows()) check_row(row, images);
}
