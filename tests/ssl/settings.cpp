#include <doctest/doctest.h>

#include <algorithm>
#include <tuple>

#include "mec/ssl/methods/mec.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/ssl/run/settings_table.h"
#include "mec/tensor/io/limits.h"
#include "tensor/io_files.h"

using namespace mec;
using namespace mec::test;

namespace {

PretrainSettings read_text(const std::string& text) {
  const TempFolder folder;
  write_bytes(folder / "config.toml", text);
  return read_settings(folder / "config.toml");
}

}  // namespace

TEST_CASE("settings reach their members, and the others keep their defaults") {
  const PretrainSettings settings = read_text(
      "[model]\narch = \"resnet18\"\nwidth = 16\n[mec]\nside = \"feature\"\neps2 = 100\non_divergence = \"stop\"\n"
      "lambda_warmup_steps = 7\n[train]\nseed = 5\nlr = 1\n[data]\npath = \"x\"\n");
  CHECK(settings.model.arch == "resnet18");
  CHECK(settings.model.width == 16);
  const MecSettings mec = mec_settings(settings);
  CHECK(mec.side == Side::feature);
  CHECK(mec.eps2 == 100);
  CHECK(mec.on_divergence == OnDivergence::stop);
  CHECK(mec.lambda_warmup.steps == 7);
  CHECK(settings.train.seed == 5);
  CHECK(settings.train.lr == 1);
  CHECK(settings.data.path == "x");
  CHECK(settings.model.dim == PretrainSettings{}.model.dim);
}

TEST_CASE("an augmentation setting goes to all views, or to one of them, which then wins") {
  const PretrainSettings settings =
      read_text("[augment.view2]\nsize = 20\n[augment.view3]\nhue = 0.3\n[augment]\nviews = 3\nsize = 28\n");
  REQUIRE(settings.augment.views.size() == 3);
  CHECK(settings.augment.views[0].size == 28);
  CHECK(settings.augment.views[1].size == 20);
  CHECK(settings.augment.views[2].size == 28);
  CHECK(settings.augment.views[2].hue == 0.3F);
  CHECK(settings.augment.views[0].hue == ViewSettings{}.hue);
}

TEST_CASE("settings that were written are read back the same") {
  PretrainSettings settings = read_text("[augment]\nviews = 3\n");
  // Every setting is moved off its default, so that one that is not written or not read shows.
  for (const Setting& setting : bind_settings(settings)) {
    if (setting.shorthand || setting.key == "augment.views") continue;
    const SettingValue value = setting.get();
    if (const auto* flag = std::get_if<bool>(&value)) setting.set(!*flag);
    else if (const auto* whole = std::get_if<std::int64_t>(&value)) setting.set(*whole == 0 ? 2 : *whole + 1);
    else if (const auto* number = std::get_if<double>(&value)) setting.set(*number == 1 ? 0.5 : *number + 0.0625);
    else if (std::holds_alternative<std::vector<double>>(value)) setting.set(std::vector<double>{0.25, 1.0});
  }
  settings.data.path = "a \"quoted\" \\ path";
  settings.method_settings["side"] = static_cast<double>(Side::batch);
  settings.method_settings["on_divergence"] = static_cast<double>(OnDivergence::warn);
  const std::string text = write_settings(settings);
  CHECK(write_settings(read_text(text)) == text);
  CHECK(read_text(text).data.path == settings.data.path);
  CHECK(read_text(text).train.ema == settings.train.ema);
}

TEST_CASE("every setting is written, floats as they were given") {
  PretrainSettings settings = read_text("[augment]\nhue = 0.1\n[train]\nlr = 2\n");
  const std::string text = write_settings(settings);
  CHECK(text.find("hue = 0.1\n") != std::string::npos);
  CHECK(text.find("lr = 2.0\n") != std::string::npos);
  const auto all = bind_settings(settings);
  const auto written = std::ranges::count_if(all, [](const Setting& s) { return !s.shorthand; });
  CHECK(std::ranges::count(text, '=') == written);
}

TEST_CASE("an unknown setting is refused with the nearest known name") {
  CHECK_THROWS_WITH_AS(read_text("[mec]\nepsilon2 = 64\n"),
                       doctest::Contains("unknown setting 'mec.epsilon2'; did you mean 'mec.eps2'?"), ValueError);
  CHECK_THROWS_WITH_AS(read_text("[train]\nbatchsize = 64\n"), doctest::Contains("did you mean 'train.batch'?"), ValueError);
  CHECK_THROWS_WITH_AS(read_text("[augment.view2]\nsizes = 64\n"), doctest::Contains("did you mean 'augment.view2.size'?"),
                       ValueError);
}

TEST_CASE("a setting of the wrong type or out of range is refused by name") {
  CHECK_THROWS_WITH_AS(read_text("[train]\nepochs = 1.5\n"), doctest::Contains("train.epochs is a whole number, but got 1.5"),
                       ValueError);
  CHECK_THROWS_WITH_AS(read_text("[train]\nlr = \"high\"\n"), doctest::Contains("train.lr is a number, but got the text high"),
                       ValueError);
  CHECK_THROWS_WITH_AS(read_text("[train]\nlr = nan\n"), doctest::Contains("train.lr is a finite number"), ValueError);
  CHECK_THROWS_WITH_AS(read_text("[mec]\nsymmetrize = 1\n"), doctest::Contains("mec.symmetrize is true or false"), ValueError);
  CHECK_THROWS_WITH_AS(read_text("[mec]\nside = \"left\"\n"),
                       doctest::Contains("mec.side is one of auto, batch, feature, but is 'left'"), ValueError);
  CHECK_THROWS_WITH_AS(read_text("[model]\nwidth = 0\n"), doctest::Contains("model.width is at least 1, but is 0"), ValueError);
  CHECK_THROWS_WITH_AS(read_text("[model]\narch = 18\n"), doctest::Contains("model.arch is a text in quotes"), ValueError);
  CHECK_THROWS_WITH_AS(read_text("[train]\nlr = [1, 2]\n"), doctest::Contains("train.lr is a number, but got [1, 2]"),
                       ValueError);
  CHECK_THROWS_WITH_AS(read_text("[data]\nmean = 0.5\n"), doctest::Contains("data.mean is a list of numbers"), ValueError);
  CHECK_THROWS_WITH_AS(read_text("[data]\nstd = [0.5, \"x\"]\n"), doctest::Contains("data.std may contain only numbers"),
                       ValueError);
  CHECK_THROWS_WITH_AS(read_text("[augment]\nblur_kernel = 9999999999\n"),
                       doctest::Contains("augment.view1.blur_kernel is too large"), ValueError);
}

TEST_CASE("batch norm is synchronised by all processes, by none, or in groups of so many") {
  const auto read = [](const std::string& value) { return read_text("[train]\nsync_batch_norm = " + value + "\n"); };
  for (const auto& [value, held, written] :
       {std::tuple("true", 1, "true"), {"false", 0, "false"}, {"1", 0, "false"}, {"2", 2, "2"}, {"64", 64, "64"}}) {
    const std::string tried = value;
    CAPTURE(tried);
    const PretrainSettings settings = read(value);
    CHECK(settings.train.sync_batch_norm == held);
    CHECK(write_settings(settings).find(concat("sync_batch_norm = ", written, "\n")) != std::string::npos);
  }
  CHECK_THROWS_WITH_AS(read("0"), doctest::Contains("train.sync_batch_norm is at least 1, but is 0"), ValueError);
  for (const char* value : {"\"all\"", "2.0"}) {
    CHECK_THROWS_WITH_AS(read(value), doctest::Contains("train.sync_batch_norm is true, false or a number of processes"),
                         ValueError);
  }
}

TEST_CASE("broken TOML is reported with file and line") {
  CHECK_THROWS_WITH_AS(read_text("[train]\nlr = = 3\n"), doctest::Contains("config.toml:2: "), ValueError);
  CHECK_THROWS_WITH_AS(read_text("[+train]\nlr = 1\n"), doctest::Contains("config.toml:1: "), ValueError);
}

TEST_CASE("settings are read from a text in memory as from a file") {
  const PretrainSettings settings = parse_settings("method = \"simclr\"\n[train]\nlr = 0.25\n", "settings");
  CHECK(settings.method == "simclr");
  CHECK(settings.train.lr == 0.25);
  CHECK_THROWS_WITH_AS(parse_settings("[train]\nlr = = 3\n", "settings"), doctest::Contains("settings:2: "), ValueError);
  CHECK_THROWS_WITH_AS(parse_settings("[train]\nlr2 = 3\n", "settings"), doctest::Contains("settings: "), ValueError);
  CHECK_THROWS_WITH_AS(parse_settings(std::string((1 << 20) + 1, '#'), "settings"), doctest::Contains("1048577 bytes"),
                       ValueError);
}

TEST_CASE("a file that is too large for settings, or that nests tables by the thousand, is refused unread") {
  std::string deep = "a";
  for (int i = 0; i < 500'000; ++i) deep += ".a";  // destroying such tables overflows the stack
  CHECK_THROWS_WITH_AS(read_text(deep + " = 1\n"), doctest::Contains("it has 500000 dots, but settings have at most 5000"),
                       ValueError);
  CHECK_THROWS_WITH_AS(read_text(std::string(1 << 20, '#') + "\n"), doctest::Contains("1048577 bytes"), ValueError);
  CHECK_NOTHROW(read_text("# " + std::string((1 << 20) - 2, '-')));
  // As many views as there may be.
  PretrainSettings most;
  apply_assignments(most, {"augment.views=100"});
  const std::string text = write_settings(most);
  CHECK(text.size() < limits::kSettings);
  CHECK(std::ranges::count(text, '.') < limits::kSettingsDots);
}

TEST_CASE("--set takes TOML's values, and texts without quotes") {
  PretrainSettings settings;
  apply_assignments(settings, {"train.lr=0.25", "mec.symmetrize=true", "mec.side=batch", "data.path=/some/where=else",
                               "data.kind=\"folder\"", "data.std=[0.5, 1, 2]"});
  CHECK(settings.data.std == std::vector<double>{0.5, 1, 2});
  CHECK(settings.train.lr == 0.25);
  CHECK(mec_settings(settings).symmetrize);
  CHECK(mec_settings(settings).side == Side::batch);
  CHECK(settings.data.path == "/some/where=else");
  CHECK(settings.data.kind == "folder");
  CHECK_THROWS_AS(apply_assignments(settings, {"train.lr"}), ValueError);
  CHECK_THROWS_AS(apply_assignments(settings, {"train.learning=1"}), ValueError);
}

TEST_CASE("every character that UTF-8 has comes back from settings.toml") {
  std::string path;
  for (int code = 1; code < 0x80; ++code) path += static_cast<char>(code);
  for (int code = 0x80; code < 0x100; ++code)
    path += {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
  path += "\xe6\x97\xa5\xf0\x9f\x8e\x89\xef\xbb\xbf";
  PretrainSettings settings;
  settings.data.path = path;
  const std::string text = write_settings(settings);
  CHECK(text.find("\\u000A\\u000B") != std::string::npos);
  CHECK(read_text(text).data.path == path);
}

TEST_CASE("a data path that is not UTF-8 is refused when it is completed") {
  PretrainSettings settings;
  settings.data.path = "/images\xff";
  CHECK_THROWS_WITH_AS(complete_paths(settings), doctest::Contains("is not UTF-8"), ValueError);
  settings.data.path = "/images\n";
  complete_paths(settings);
  CHECK(settings.data.path == "/images\n");
}
