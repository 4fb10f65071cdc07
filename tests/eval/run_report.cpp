// What a report is made of: curves from a run's lines, and a page from data that may hold anything.
#include "mec/eval/run_report/run_report.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <nlohmann/json.hpp>

#include "mec/eval/run_report/run_curves.h"
#include "mec/eval/run_report/run_facts.h"
#include "mec/eval/run_report/tiles.h"
#include "tensor/io_files.h"

using namespace mec;
using namespace mec::report;
using namespace mec::test;

namespace {

const Curve* find(const RunCurves& all, const std::string& name) {
  for (const Curve& curve : all.curves) {
    if (curve.name == name) return &curve;
  }
  return nullptr;
}

nlohmann::json data_of(const std::string& page) {
  const std::string begin = "<script type=\"application/json\" id=\"data\">";
  const std::size_t from = page.find(begin) + begin.size();
  return nlohmann::json::parse(page.substr(from, page.find("</script>", from) - from));
}

}  // namespace

TEST_CASE("a thinned curve keeps its peaks, its gaps and its order") {
  Curve curve{.name = "loss", .steps = {}, .values = {}};
  for (int i = 0; i < 100000; ++i) {
    curve.steps.push_back(i + 1);
    curve.values.push_back(std::sin(i * 0.01));
  }
  curve.values.front() = 0.5;  // both ends are no peaks
  curve.values.back() = 0;
  curve.values[54321] = 100;
  curve.values[54322] = -100;
  // In one stretch with the lowest value: neither hides the other.
  curve.values[54330] = std::numeric_limits<double>::quiet_NaN();
  thin(curve, 1000);
  CHECK(curve.values.size() == curve.steps.size());
  CHECK(curve.values.size() <= 1000);
  CHECK(curve.values.size() > 600);
  CHECK(std::ranges::is_sorted(curve.steps));
  CHECK(std::ranges::count(curve.values, 100) == 1);
  CHECK(std::ranges::count(curve.values, -100) == 1);
  CHECK(std::ranges::count_if(curve.values, [](double v) { return std::isnan(v); }) == 1);
  CHECK(curve.steps.front() == 1);
  CHECK(curve.steps.back() == 100000);
  Curve few{.name = "", .steps = {1, 2, 3}, .values = {3, 2, 1}};
  thin(few, 3);
  CHECK(few.values == std::vector<double>{3, 2, 1});
}

TEST_CASE("curves are read as far as lines are whole") {
  const TempFolder folder;
  CHECK(read_curves(folder.path(), 8).curves.empty());
  write_bytes(
      folder / "metrics.jsonl",
      "{\"step\":1,\"epoch\":1,\"loss\":0.5,\"lr\":0.1}\n{\"step\":2,\"epoch\":1,\"loss\":null,\"lr\":0.2,\"skipped\":true}\n"
      "{\"epoch\":1,\"step\":2,\"knn\":0.75}\n{\"step\":3,\"epoch\":2,\"loss\":0.25,\"lr\":0.3}\n{\"step\":4,\"epoch\":2,\"lo");
  write_bytes(folder / "timings.jsonl",
              "{\"step\":1,\"seconds\":2.0,\"data_seconds\":0.1}\nnot a line\n{\"step\":2,\"epoch\":1,\"seconds\":9.0}\n"
              "{\"step\":3,\"seconds\":4.0,\"data_seconds\":0.0}\n" +
                  std::string(200, '[') + "\n");
  const RunCurves all = read_curves(folder.path(), 8);
  CHECK(all.step == 3);
  CHECK(all.epoch == 2);
  CHECK(all.seconds == 6);
  CHECK(all.unread == "2 lines of timings.jsonl cannot be read");
  REQUIRE(find(all, "loss"));
  CHECK(find(all, "loss")->steps == std::vector<double>{1, 2, 3});
  CHECK(std::isnan(find(all, "loss")->values[1]));
  CHECK(find(all, "loss")->values[2] == 0.25);
  CHECK(find(all, "knn")->values == std::vector<double>{0.75});
  CHECK(find(all, "images_per_second")->values == std::vector<double>{4, 2});
  CHECK_FALSE(find(all, "skipped"));
}

TEST_CASE("the speed is the median of all steps, not of those that a curve keeps") {
  const TempFolder folder;
  std::string lines;
  for (int step = 1; step <= 6000; ++step) {  // now and then a step is fast, and a few are slow
    const double seconds = step % 20 == 0 ? 0.01 : step % 20 == 1 ? 0.5 : 0.064;
    lines += concat("{\"step\":", step, ",\"seconds\":", seconds, ",\"data_seconds\":0}\n");
  }
  write_bytes(folder / "timings.jsonl", lines);
  const RunCurves all = read_curves(folder.path(), 8);
  CHECK(all.images_per_second == doctest::Approx(125));
  CHECK(find(all, "images_per_second")->values.size() <= kMostPoints);
  const auto facts = facts_of(folder.path(), {}, all);
  const auto speed = std::ranges::find(facts, "speed", &Fact::name);
  REQUIRE(speed != facts.end());
  CHECK(speed->text.starts_with("125 images a second (median); "));
}

TEST_CASE("the best score is the best of those that are numbers") {
  const TempFolder folder;
  const auto best = [&](const char* lines) {
    write_bytes(folder / "metrics.jsonl", lines);
    const auto facts = facts_of(folder.path(), {}, read_curves(folder.path(), 8));
    const auto fact = std::ranges::find(facts, "best kNN", &Fact::name);
    return fact == facts.end() ? "none" : fact->text;
  };
  CHECK(best("{\"epoch\":1,\"step\":2,\"knn\":null}\n{\"epoch\":2,\"step\":4,\"knn\":0.75}\n"
             "{\"epoch\":3,\"step\":6,\"knn\":0.5}\n") == "75.00 % at step 4");
  CHECK(best("{\"epoch\":1,\"step\":2,\"knn\":null}\n") == "none");
}

TEST_CASE("a run without a checkpoint is called complete only where its lines tell") {
  const TempFolder folder;
  PretrainSettings settings;
  const auto progress = [&](std::int64_t epochs, int lines) {
    settings.train.epochs = epochs;
    std::string text;
    for (int step = 1; step <= lines; ++step)
      text += concat("{\"step\":", step, ",\"epoch\":", (step + 2) / 3, ",\"lr\":0.1}\n");
    write_bytes(folder / "metrics.jsonl", text);
    const auto facts = facts_of(folder.path(), settings, read_curves(folder.path(), 8));
    return std::ranges::find(facts, "progress", &Fact::name)->text;
  };
  CHECK(progress(2, 6) == "complete: 2 epochs, 6 steps");
  CHECK(progress(2, 5).starts_with("not complete: epoch 2 of 2, step 5 of 6; "));
  CHECK(progress(2, 2).starts_with("not complete: epoch 1 of 2, step 2; "));
  CHECK(progress(1, 3).starts_with("epoch 1 of 1, step 3; without a checkpoint it is not known whether"));
}

TEST_CASE("changes that are nested deeply, or name no step, are passed over") {
  const TempFolder folder;
  write_bytes(
      folder / "changes.jsonl",
      "{\"step\":4,\"setting\":\"data.workers\",\"was\":\"1\",\"is\":\"2\"}\n{\"step\":5,\"was\":" + std::string(1000000, '[') +
          std::string(1000000, ']') + "}\n{\"step\":-1}\n{\"step\":1e300}\n" + "{\"step\":9007199254740993}\n");
  const auto facts = facts_of(folder.path(), {}, {});
  const auto changes = std::ranges::find(facts, "went on with", &Fact::name);
  REQUIRE(changes != facts.end());
  CHECK(changes->text == "data.workers 1 → 2 after step 4");
}

TEST_CASE("names of runs, classes and files are data, whatever they hold") {
  const std::string hostile = "</script><script>alert(1)</script><!--<script>{{data}}\xff\"\\\xe2\x80\xa8";
  RunReport run{.name = hostile, .folder = hostile};
  run.facts = {{hostile, hostile}};
  run.settings = {{hostile, hostile, hostile}};
  run.missing = {hostile};
  run.curves = {{.name = hostile, .steps = {1}, .values = {std::numeric_limits<double>::infinity()}}};
  run.neighbours = {{.query = {.picture = {}, .name = hostile, .class_name = hostile}, .nearest = {}}};
  RunReport plain{.name = "plain", .folder = "plain"};
  plain.curves = {{.name = "c", .steps = {1}, .values = {1}}};
  const std::string page = make_page({.runs = {run, plain}, .machine = hostile});
  CHECK(page.find("alert(1)</script>") == std::string::npos);
  CHECK(page.find("<!--<script>{{") == std::string::npos);
  const auto data = data_of(page);
  // The byte that is no UTF-8 has become U+FFFD; all else is as it was.
  const std::string shown = "</script><script>alert(1)</script><!--<script>{{data}}\xef\xbf\xbd\"\\\xe2\x80\xa8";
  CHECK(data.at("runs").at(0).at("name") == shown);
  CHECK(data.at("runs").at(0).at("missing").at(0) == shown);
  CHECK(data.at("machine") == shown);
  CHECK(data.at("runs").at(0).at("curves").at(0).at("values").at(0).is_null());
}

TEST_CASE("a page is whole: nothing in it is fetched from elsewhere") {
  const std::string page = make_page({});
  CHECK(page.find("default-src 'none'") != std::string::npos);
  CHECK(page.find(" src=\"") == std::string::npos);
  CHECK(page.find("sourceMappingURL") == std::string::npos);
}

TEST_CASE("pictures are kept once, as base64") {
  CHECK(base64("") == "");
  CHECK(base64("M") == "TQ==");
  CHECK(base64("Ma") == "TWE=");
  CHECK(base64("Man") == "TWFu");
  CHECK(base64(std::string("\xff\x00\xfe", 3)) == "/wD+");
  RunReport run{.name = "a", .folder = "a"};
  run.neighbours = {{.query = {.picture = "data:image/png;base64,AAAA", .name = "q", .class_name = ""},
                     .nearest = {{.picture = "data:image/png;base64,AAAA", .name = "n", .class_name = ""},
                                 {.picture = "", .name = "gone", .class_name = ""}}}};
  const auto data = data_of(make_page({.runs = {run, run}, .machine = ""}));
  CHECK(data.at("pictures").size() == 1);
  const auto& nearest = data.at("runs").at(1).at("neighbours").at("rows").at(0).at("nearest");
  CHECK(nearest.at(0).at("picture") == 0);
  CHECK(nearest.at(1).at("picture") == -1);
}

TEST_CASE("images are spread evenly over a data set") {
  CHECK(spread(10, 4) == std::vector<std::int64_t>{0, 2, 5, 7});
  CHECK(spread(3, 24) == std::vector<std::int64_t>{0, 1, 2});
}
