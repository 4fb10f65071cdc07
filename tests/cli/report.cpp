// mec report and mec neighbours: what they say of runs as they are found on disks, and how they
// refuse what is none.
#include <algorithm>
#include <map>

#include <nlohmann/json.hpp>

#include "cli/resumed_run.h"
#include "data/fixtures.h"
#include "mec/data/decoders/decode.h"
#include "mec/data/encode_image.h"
#include "mec/data/formats/open_dataset.h"

using namespace mec;
using namespace mec::test;

namespace {

using Json = nlohmann::json;

struct Fixture : RunFixture {
  ProgramResult train(const std::string& name, const std::vector<std::string>& settings = {}) const {
    std::vector<std::string> all{"pretrain", config, "--out", at(name), "--threads", "1"};
    for (const std::string& setting : settings) all.insert(all.end(), {"--set", setting});
    return run(all);
  }
  // The data of a report's page.
  Json report(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "report");
    arguments.insert(arguments.end(), {"-o", at("report.html"), "--threads", "1"});
    run(arguments);
    const std::string page = read_bytes(folder / "report.html"), begin = "id=\"data\">";
    const std::size_t from = page.find(begin) + begin.size();
    return Json::parse(page.substr(from, page.find("</script>", from) - from));
  }
  static std::string fact(const Json& run, const std::string& name) {
    for (const Json& line : run.at("facts")) {
      if (line.at(0) == name) return line.at(1);
    }
    return "";
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a report has the figures of mec eval table, and of the run's own files") {
  train("run", {"train.lr=0.2"});
  const Json data = report({at("run"), "--limit", "0"}), of_run = data.at("runs").at(0);
  CHECK(of_run.at("missing").empty());
  // Through a pipe, without a message in it.
  const auto piped = run({"report", at("run"), "-o", "/dev/stdout", "--no-images"});
  CHECK(piped.out.starts_with("<!DOCTYPE html>"));
  CHECK(piped.out.ends_with("</html>\n"));
  CHECK(piped.err.find("wrote /dev/stdout") != std::string::npos);
  const Json eval = Json::parse(run({"eval", "table", at("run"), "--json", "--threads", "1"}).out);
  REQUIRE(of_run.at("table").at("rows").size() == 3);
  std::int64_t right = 0, all = 0;
  std::map<std::int64_t, std::int64_t> of_class;
  for (const Json& cell : of_run.at("confusion").at("cells")) {
    all += cell.at(2).get<std::int64_t>();
    of_class[cell.at(0)] += cell.at(2).get<std::int64_t>();
    if (cell.at(0) == cell.at(1)) right += cell.at(2).get<std::int64_t>();
  }
  for (std::size_t i = 0; i < 3; ++i) {
    const Json &row = of_run.at("table").at("rows").at(i), &expected = eval.at("rows").at(i);
    CHECK(row.at("knn") == expected.at("knn_accuracy"));
    CHECK(row.at("linear") == expected.at("linear_accuracy"));
    CHECK(row.at("width") == expected.at("width"));
  }
  const DatasetPtr test = open_dataset({.path = folder / "data", .split = Split::test});
  for (std::int64_t i = 0; i < test->size(); ++i) --of_class[test->label(i)];
  for (const auto& entry : of_class) CHECK_MESSAGE(entry.second == 0, entry.first);
  CHECK(static_cast<double>(right) / static_cast<double>(all) == eval.at("rows").at(2).at("knn_accuracy"));
  CHECK(fact(of_run, "progress").starts_with("complete: 2 epochs, "));
  bool found = false;
  for (const Json& line : of_run.at("settings")) {
    if (line.at(0) != "train.lr") continue;
    found = true;
    CHECK(line.at(1) == "0.2");
    CHECK(line.at(2) == "2.0");
  }
  CHECK(found);
  CHECK(data.at("machine").get<std::string>().starts_with("mec "));
}

TEST_CASE_FIXTURE(Fixture, "a report of a run that was killed says how far it came") {
  train("run");
  const std::string metrics = read_bytes(folder / "run/metrics.jsonl");
  const std::size_t third = metrics.find("{\"step\":3");
  write_bytes(folder / "run/metrics.jsonl", metrics.substr(0, third + 20));
  for (const auto& entry : std::filesystem::directory_iterator(folder / "run")) {
    if (entry.path().filename().string().ends_with(".safetensors")) std::filesystem::remove(entry.path());
  }
  const Json of_run = report({at("run")}).at("runs").at(0);
  CHECK(fact(of_run, "progress")
            .starts_with("not complete: epoch 1 of 2, step 2; it is training, or was stopped. Its last line is from 2"));
  REQUIRE(of_run.at("missing").size() == 1);
  CHECK(of_run.at("missing").at(0).get<std::string>().starts_with("neighbours, plane, table, confusion matrix: "));
  CHECK(of_run.at("views").at("rows").size() == 6);
  for (const char* file : {"metrics.jsonl", "timings.jsonl"}) std::filesystem::remove(folder / "run" / file);
  CHECK(fact(report({at("run")}).at("runs").at(0), "progress") == "no step is done yet");
}

TEST_CASE_FIXTURE(Fixture, "a report goes without labels, without a test split, and without images") {
  for (int i = 0; i < 20; ++i)
    write_bytes(folder / "files" / concat(i, ".png"), encode_png(random_image({9, 8}, 3, static_cast<std::uint64_t>(i))));
  train("files-run", {"data.path=" + at("files"), "train.epochs=1", "train.batch=10"});
  const Json of_files = report({at("files-run")}).at("runs").at(0);
  REQUIRE(of_files.at("missing").size() == 1);
  CHECK(of_files.at("missing").at(0).get<std::string>().starts_with("table, confusion matrix: "));
  const Json& rows = of_files.at("neighbours").at("rows");
  CHECK(rows.size() == 20);
  for (const Json& row : rows) {  // of the same split, but not itself
    for (const Json& tile : row.at("nearest")) CHECK(tile.at("name") != row.at("query").at("name"));
  }
  CHECK(of_files.at("plane").at("labels").empty());
  CHECK_FALSE(of_files.contains("confusion"));
  CHECK(report({at("files-run"), "--no-images"}).at("runs").at(0).at("views").at("rows").empty());
  // One that is broken is passed over where training did so, and has no picture.
  write_bytes(folder / "files/0.png", "broken");
  CHECK(report({at("files-run")}).at("runs").at(0).at("neighbours").at("rows").empty());
  train("skipping", {"data.path=" + at("files"), "train.epochs=1", "train.batch=10", "data.on_broken=skip"});
  const Json skipping = report({at("skipping")}).at("runs").at(0);
  CHECK(fact(skipping, "skipped images") == "1, listed in broken.txt");
  CHECK(skipping.at("neighbours").at("rows").at(0).at("query").at("picture") == -1);
  CHECK(skipping.at("neighbours").at("rows").at(1).at("query").at("picture") != -1);
  std::filesystem::remove_all(folder / "files");
  const Json gone = report({at("files-run")}).at("runs").at(0);
  CHECK(gone.at("missing").at(0).get<std::string>().find("there is no such folder") != std::string::npos);
  CHECK(gone.at("curves").size() > 3);
}

TEST_CASE_FIXTURE(Fixture, "what is no run is refused in one line, and no file is touched") {
  train("run", {"train.epochs=1"});
  write_bytes(folder / "report.html", "old");
  const auto refuses = [&](const std::string& why, std::vector<std::string> runs, const std::string& out = "report.html") {
    runs.insert(runs.begin(), "report");
    runs.insert(runs.end(), {"-o", at(out)});
    check_fails(folder, 1, why, runs);
    CHECK(read_bytes(folder / "report.html") == "old");
  };
  refuses("not the folder of a run, it has no settings.toml", {at("data")});
  refuses("not the folder of a run, it has no settings.toml", {at("nowhere")});
  refuses("a report is of a run's folder, with its settings and metrics; this is a file", {at("run/encoder.safetensors")});
  refuses("are one run; name each run once", {at("run"), at("data/../run/")});
  refuses("cannot create", {at("run")}, "no/such/folder.html");
  refuses("cannot replace", {at("run")}, "data");
  refuses("is what the command reads", {at("run")}, "run");
  refuses("may be a file of the run", {at("run")}, "run/metrics.jsonl");
  refuses("may be a file of the run", {at("run")}, "data/../run/best_encoder.safetensors");
  write_bytes(folder / "broken/settings.toml", "[train]\nepochs = \"many\"\n");
  refuses("train.epochs is a whole number", {at("run"), at("broken")});
}

TEST_CASE_FIXTURE(Fixture, "an image of the data is its own nearest neighbour, and the sheet shows both") {
  train("run");
  const DatasetPtr dataset = open_dataset({.path = folder / "data"});
  write_bytes(folder / "query.png", encode_png(dataset->read(5)));
  const auto result =
      run({"neighbours", at("run"), "--image", at("query.png"), "-k", "3", "-o", at("sheet.png"), "--threads", "1"});
  CHECK(result.out.starts_with(concat(at("query.png"), ": the nearest of ", dataset->size(), " images of mnist (train)\n",
                                      "rank  cosine  class  image\n   1  1.0000  1      image 5\n   2  ")));
  const Image sheet = read_image(folder / "sheet.png", {.channels = 1});
  CHECK(sheet.size() == ImageSize{3 * 132 + 4, 2 * 132 + 4});
  for (int y = 0; y < 128; ++y) {
    const auto row = [&](int top) {
      const auto begin = sheet.pixels.begin() + (top + y) * sheet.width + 4;
      return std::vector(begin, begin + 128);
    };
    REQUIRE(row(4) == row(136));
  }
  // By file of a folder.
  for (int i = 0; i < 20; ++i)
    write_bytes(folder / "files/a class" / concat(i, ".png"),
                encode_png(random_image({8, 8}, 1, static_cast<std::uint64_t>(i))));
  const auto of_files = run({"neighbours", at("run"), "--image", at("files/a class/7.png"), "-k", "1", "--data", at("files")});
  CAPTURE(of_files.out);
  CHECK(of_files.out.find(concat("   1  1.0000  a class  ", at("files/a class/7.png"), "\n")) != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "a query that is no image, and neighbours that are not there, are one line") {
  train("run", {"train.epochs=1"});
  write_bytes(folder / "q.png", encode_png(random_image({8, 8}, 1, 1)));
  write_images(folder / "many", 1001, 4);
  const auto refuses = [&](int status, const std::string& why, std::vector<std::string> more) {
    more.insert(more.begin(), {"neighbours", at("run")});
    check_fails(folder, status, why, more);
  };
  refuses(1, "none of the image files that this build reads", {"--image", config});
  refuses(1, "no such file", {"--image", at("none.png")});
  refuses(1, "a picture shows at most 1000 neighbours",
          {"--image", at("q.png"), "-k", "1001", "-o", at("s.png"), "--data", at("many")});
  refuses(1, "asked for", {"--image", at("q.png"), "-k", "1000"});
  refuses(1, "there is no such folder", {"--image", at("q.png"), "--data", at("nowhere")});
  refuses(1, "cannot create", {"--image", at("q.png"), "-o", at("no/sheet.png")});
  refuses(1, "is what the command reads", {"--image", at("q.png"), "-o", at("many/../q.png")});
  refuses(1, "may be a file of the run", {"--image", at("q.png"), "-o", at("run/encoder.safetensors")});
  refuses(2, "--image is required", {});
}
