// Each option of mec report and mec neighbours has its effect under its name. (-o and -k, the
// figures and the errors: report.cpp.)
#include <nlohmann/json.hpp>

#include "data/fixtures.h"
#include "mec/data/encode_image.h"
#include "support/option_rows.h"

using namespace mec;
using namespace mec::test;

namespace {

using Json = nlohmann::json;

struct Fixture : RunFixture {
  Fixture() {
    run({"pretrain", config, "--threads", "1", "--out", at("run"), "--set", "data.channels=3"});
    write_images(folder / "other", 30, 30);
    write_noted_images(folder / "noted", 20, 20);
    write_bytes(folder / "q.png", make_noted_png(random_image({12, 8}, 3, 1)));
  }
  Json report(const Words& more) const {
    run(joined({"report", at("run"), "-o", at("r.html"), "--threads", "1"}, more));
    const std::string page = read_bytes(folder / "r.html"), begin = "id=\"data\">";
    const std::size_t from = page.find(begin) + begin.size();
    return Json::parse(page.substr(from, page.find("</script>", from) - from));
  }
  std::string neighbours(const Words& more) const {
    return run(joined({"neighbours", at("run"), "--image", at("q.png"), "--threads", "1"}, more)).out;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "mec report shows what its options choose") {
  check_rows({"report"}, {"runs", "--data", "--kind", "--workers", "--batch", "--exif-orientation", "--limit", "--points",
                          "--no-images", "--precision"});
  const Json base = report({});
  for (const Words& same : std::vector<Words>{{"--workers", "0"}, {"--batch", "7"}})
    CHECK(report(same).at("runs").at(0).at("views") == base.at("runs").at(0).at("views"));
  for (const Words& other : std::vector<Words>{{"--data", at("other")},
                                               {"--kind", "cifar10"},
                                               {"--limit", "9"},
                                               {"--points", "12"},
                                               {"--no-images"},
                                               {"--precision", "bf16"}}) {
    CAPTURE(other[0]);
    CHECK(report(other) != base);
  }
  CHECK(report({"--points", "12"}).at("runs").at(0).at("plane").at("names").size() == 12);
  CHECK(report({"--limit", "9"}).at("runs").at(0).at("neighbours").at("rows").size() == 9);
  // What training drew of an image does not go by what the report reads.
  const auto views = [&](const Words& more) {
    const Json data = report(more);
    Json pictures = Json::array();
    for (const Json& row : data.at("runs").at(0).at("views").at("rows")) {
      pictures.push_back(row.at("image").at("name"));
      for (const Json& view : row.at("views")) pictures.push_back(data.at("pictures").at(view.get<std::size_t>()));
    }
    return pictures;
  };
  CHECK(views({}).size() == 30);
  CHECK(views({"--limit", "9"}) == views({}));
  CHECK(views({"--limit", "13"}) == views({}));
  const Json elsewhere = report({"--data", at("other")}).at("runs").at(0);
  CHECK(elsewhere.at("views").at("rows").empty());
  CHECK(elsewhere.at("missing").dump().find("views: training had ") != std::string::npos);
  CHECK(report({"--data", at("noted"), "--exif-orientation"}).at("pictures") != report({"--data", at("noted")}).at("pictures"));
}

TEST_CASE_FIXTURE(Fixture, "mec neighbours finds what its options choose") {
  check_rows({"neighbours"},
             {"source", "--image", "--data", "--kind", "--limit", "--workers", "--batch", "--exif-orientation", "--split",
              "--precision", "--arch", "--stem", "--width", "--channels", "--size", "--normalization", "--prefix"});
  const std::string base = neighbours({});
  for (const Words& same : std::vector<Words>{
           {"--workers", "0"}, {"--batch", "7"}, {"--kind", "mnist"}, {"--arch", "resnet10"}, {"--prefix", ""}}) {
    CAPTURE(same[0]);
    CHECK(neighbours(same) == base);
  }
  for (const Words& other : std::vector<Words>{{"--data", at("other")},
                                               {"--limit", "12"},
                                               {"--split", "test"},
                                               {"--exif-orientation"},
                                               {"--precision", "bf16"},
                                               {"--size", "6"},
                                               {"--normalization", "cifar10"}}) {
    CAPTURE(other[0]);
    CHECK(neighbours(other) != base);
  }
  for (const Words& wrong : std::vector<Words>{{"--arch", "resnet18"},
                                               {"--stem", "imagenet"},
                                               {"--width", "5"},
                                               {"--channels", "1"},
                                               {"--kind", "cifar10"},
                                               {"--prefix", "teacher."}}) {
    CAPTURE(wrong[0]);
    check_fails(folder, 1, "", joined({"neighbours", at("run"), "--image", at("q.png")}, wrong));
  }
}
