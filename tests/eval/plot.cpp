#include "mec/eval/plot.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "mec/eval/process.h"
#include "mec/tensor/devices.h"
#include "tensor/io_files.h"

namespace mec {
namespace {

Tensor points_of(const std::vector<float>& values) {
  return Tensor::from(values, {static_cast<std::int64_t>(values.size()) / 2, 2}, make_reference_device());
}

// The PATH while it lives.
struct PathVariable {
  std::string before = std::getenv("PATH");
  explicit PathVariable(const std::filesystem::path& folder) { ::setenv("PATH", folder.c_str(), 1); }
  ~PathVariable() { ::setenv("PATH", before.c_str(), 1); }
  PathVariable(const PathVariable&) = delete;
  PathVariable& operator=(const PathVariable&) = delete;
};

void write_program(const std::filesystem::path& path, const std::string& body) {
  test::write_bytes(path, "#!/bin/sh\n" + body);
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const Scatter kTwoPanels{
    .panels = {{.title = "it's \"one\"; system 'rm -rf /'", .points = points_of({0, 1, 2, 3, 4, 5}), .labels = {0, 2, 0}},
               {.title = "two\n", .points = points_of({7, 8}), .labels = {}}},
    .classes = {"a_b", "unused", "c'd"}};
const Curves kCurves{{.title = "kNN",
                      .x_label = "σ",
                      .y_label = "%",
                      .log_x = true,
                      .series = {{.name = "one seed", .points = {{0.1, 50, 50, 50}, {1, 40, 40, 40}}},
                                 {.name = "three", .points = {{0.1, 60, 55, 62}, {1, 20, 10, 30}}}}},
                     {.title = "linear", .x_label = "σ", .y_label = "%", .series = {{.name = "x", .points = {{0, 1, 1, 1}}}}}};

TEST_CASE("a scatter plot has one block of points for each class, and text cannot leave its quotes") {
  const std::string script = gnuplot_script(kTwoPanels, "out");
  CHECK(has(script, "$panel0_class0 << END\n0 1\n4 5\nEND\n"));
  CHECK(has(script, "$panel0_class2 << END\n2 3\nEND\n"));
  CHECK_FALSE(has(script, "class1"));
  CHECK(has(script, "$panel1_class0 << END\n7 8\nEND\n"));
  CHECK(has(script, "set title 'it''s \"one\"; system ''rm -rf /'''\n"));
  CHECK(has(script, "set title 'two '\n"));
  CHECK(has(script, "title 'c''d'"));
  CHECK(has(script, "set output 'out.png'"));
  CHECK(has(script, "set output 'out.svg'"));
}

TEST_CASE("points without labels have the colour and the name of no class, beside others that have") {
  const std::string script = gnuplot_script(kTwoPanels, "out");
  CHECK(has(script, "$panel1_class0 with points pointtype 7 pointsize 0.4 linecolor rgb '#cccccc'"));
  const Scatter swapped{.panels = {{.points = points_of({7, 8}), .labels = {}}, {.points = points_of({1, 2}), .labels = {1}}},
                        .classes = {"a", "b"}};
  CHECK(has(gnuplot_script(swapped, "out"), "title 'b'"));
  CHECK_FALSE(has(gnuplot_script(swapped, "out"), "title 'a'"));
}

TEST_CASE("curves have bars where seeds differ, and a logarithmic axis where asked") {
  const std::string script = gnuplot_script(kCurves, "out");
  CHECK(has(script, "set xlabel 'σ'\nset ylabel '%'\n"));
  CHECK(has(script, "$panel0_series1 << END\n0.1 60 55 62\n1 20 10 30\nEND\n"));
  CHECK(has(script, "$panel0_series1 using 1:2:3:4 with yerrorbars"));
  CHECK_FALSE(has(script, "$panel0_series0 using 1:2:3:4"));
  CHECK(script.find("set logscale x\nset xrange [0.08:1.25]") < script.find("unset logscale x\nset xrange [*:*]"));
  const CurvePoint point = summarize(2, {3, 1, 5});
  CHECK((point.x == 2 && point.mean == 3 && point.low == 1 && point.high == 5));
}

TEST_CASE("what cannot be drawn is refused") {
  CHECK_THROWS_AS(summarize(0, {}), ValueError);
  CHECK_THROWS_AS(gnuplot_script(Scatter{}, "x"), ValueError);
  CHECK_THROWS_AS(gnuplot_script(Scatter{.panels = {{.points = points_of({1, 2}), .labels = {0, 1}}}}, "x"), ShapeError);
  CHECK_THROWS_AS(gnuplot_script(Scatter{.panels = {{.points = points_of({1, 2}), .labels = {-1}}}}, "x"), ValueError);
  CHECK_THROWS_AS(gnuplot_script(Scatter{.panels = {{.points = Tensor{}}}}, "x"), ShapeError);
  CHECK_THROWS_AS(gnuplot_script(Curves{}, "x"), ValueError);
  CHECK_THROWS_AS(gnuplot_script(Curves{{.title = "t"}}, "x"), ValueError);
  CHECK_THROWS_WITH_AS(
      gnuplot_script(Curves{{.title = "t", .log_x = true, .series = {{.name = "s", .points = {{0, 1, 1, 1}}}}}}, "x"),
      "curves: the logarithmic axis of 't' cannot show x = 0", ValueError);
}

TEST_CASE("gnuplot draws both kinds of plot, in a folder with an odd name") {
  if (!find_program("gnuplot")) return;  // it is optional
  const test::TempFolder folder;
  const std::filesystem::path odd = folder / "it's a; $(folder) \"x\"";
  std::filesystem::create_directory(odd);
  for (const auto& [name, script] :
       {std::pair("scatter", gnuplot_script(kTwoPanels, "scatter")), std::pair("curves", gnuplot_script(kCurves, "curves"))}) {
    REQUIRE(draw(script, odd, name));
    CHECK(test::read_bytes(odd / concat(name, ".png")).substr(1, 3) == "PNG");
    CHECK(has(test::read_bytes(odd / concat(name, ".svg")), "</svg>"));
  }
  const std::string svg = test::read_bytes(odd / "scatter.svg");
  CHECK(has(svg, "a_b"));  // taken as it is: no subscript
  CHECK_FALSE(has(svg, "unused"));
  CHECK_THROWS_WITH_AS(draw("plot nonsense(\n", odd, "broken"), doctest::Contains("broken.gp"), IoError);
}

TEST_CASE("a matrix of shares has its first row at the top, and names that fit it") {
  const Heatmap heatmap{.title = "shares",
                        .row_label = "class",
                        .column_label = "taken for",
                        .rows = {"ant", "it's"},
                        .columns = {"ant", "it's"},
                        .values = {{1, 0}, {0.25, 0.75}}};
  const std::string script = gnuplot_script(heatmap, "name");
  for (const char* text : {"1 0 \n0.25 0.75 \n", "set ylabel 'class'", "'it''s' 1", "set yrange [2-0.5:-0.5]", "with image"})
    CHECK_MESSAGE(script.find(text) != std::string::npos, text);
  Heatmap ragged = heatmap;
  ragged.values[1].pop_back();
  CHECK_THROWS_AS(gnuplot_script(ragged, "name"), ValueError);
  CHECK_THROWS_AS(gnuplot_script(Heatmap{}, "name"), ValueError);
}

TEST_CASE("without gnuplot there is the script, and a gnuplot that fails is an error with its words") {
  const test::TempFolder folder;
  const PathVariable path(folder / "bin");
  CHECK_FALSE(draw("plot x\n", folder.path(), "a"));
  CHECK(test::read_bytes(folder / "a.gp") == "plot x\n");
  write_program(folder / "bin/gnuplot", "echo \"no $1 today\" >&2\nexit 3\n");
  CHECK_THROWS_WITH_AS(draw("plot x\n", folder.path(), "a"), doctest::Contains("gnuplot: status 3"), IoError);
  CHECK_THROWS_WITH_AS(draw("plot x\n", folder.path(), "a"), doctest::Contains("no a.gp today"), IoError);
}

TEST_CASE("a program gets its arguments as they are, runs in the folder, and its end is told") {
  const test::TempFolder folder;
  write_program(folder / "echo", "pwd -P\nfor a; do echo \"<$a>\"; done\ncat\n");
  const ProcessResult result = run_process(folder / "echo", {"a b", "$(x)", "", "'\"\\"}, folder.path());
  CHECK(result.status == 0);
  CHECK(result.output == std::filesystem::canonical(folder.path()).string() + "\n<a b>\n<$(x)>\n<>\n<'\"\\>\n");
  write_program(folder / "die", "kill -9 $$\n");
  CHECK(run_process(folder / "die", {}, folder.path()).status == 128 + 9);
  CHECK_THROWS_AS(run_process(folder / "nowhere", {}, folder.path()), IoError);
  CHECK_THROWS_AS(run_process(folder / "echo", {}, folder / "nowhere"), IoError);
}

TEST_CASE("a table is quoted where it must be") {
  const test::TempFolder folder;
  write_csv(folder / "t.csv", {{"a", "b,c"}, {"say \"x\"", "1"}, {"two\nlines", ""}});
  CHECK(test::read_bytes(folder / "t.csv") == "a,\"b,c\"\n\"say \"\"x\"\"\",1\n\"two\nlines\",\n");
}

}  // namespace
}  // namespace mec
