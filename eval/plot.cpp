#include "mec/eval/plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <set>

#include "mec/eval/process.h"
#include "mec/tensor/io/atomic_file.h"

namespace mec {

namespace {

constexpr std::size_t kLegend = 20;  // entries at most
constexpr int kLegendWidth = 180;    // pixels
constexpr const char* kUnlabelled = "rgb '#cccccc'";
constexpr const char* kNext = ", \\\n     ";

// Ten colours that are easy to tell apart, then hues.
std::string color_of(std::size_t i, std::size_t count) {
  constexpr std::array<const char*, 10> kColors{"#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee",
                                                "#aa3377", "#000000", "#ee8833", "#999999", "#8866dd"};
  if (count <= kColors.size()) return concat("rgb '", kColors.at(i), "'");
  return concat("rgb hsv2rgb(", static_cast<double>(i) / static_cast<double>(count), ", ",
                i % 2 == 0 ? "0.9, 0.8" : "0.5, 0.95", ")");
}

// Between single quotes gnuplot takes every character literally, except the quote itself, which is
// doubled.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += "''";
    else out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + "'";
}

std::string number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.7g", value);
  return text.data();
}

// The data blocks, then the same drawing commands once for PNG and once for SVG.
std::string assemble(const std::string& data, const std::string& drawing, const std::string& name, int width, int height) {
  const auto picture = [&](const char* terminal, const char* suffix) {
    return concat("set terminal ", terminal, " size ", width, ",", height, " noenhanced\nset output ", quoted(name + suffix),
                  "\n", drawing, "unset output\n");
  };
  return concat("# Draws ", quoted(name + ".png"), " and ", quoted(name + ".svg"), " in the folder that gnuplot is run in.\n",
                data, picture("pngcairo", ".png"), picture("svg background rgb 'white'", ".svg"));
}

// Three panels go side by side, more in a square.
struct Grid {
  int rows = 1, columns = 1;

  explicit Grid(std::size_t panels) {
    const int n = static_cast<int>(panels);
    columns = n <= 3 ? n : static_cast<int>(std::ceil(std::sqrt(n)));
    rows = (n + columns - 1) / columns;
  }
  std::string multiplot(const std::string& margins, const std::string& drawing) const {
    return concat("set multiplot layout ", rows, ",", columns, " ", margins, "\n", drawing, "unset multiplot\n");
  }
};

// One data block for each class that has points: its name in the script and its number.
struct Block {
  std::string name;
  std::size_t label;
};
std::vector<Block> write_blocks(const ScatterPanel& panel, std::size_t number_of_panel, std::string& data) {
  const auto points = panel.points.to(Dtype::f64).to_vector<double>();
  std::vector<std::string> lines;
  for (std::size_t i = 0; 2 * i < points.size(); ++i) {
    const auto label = static_cast<std::size_t>(panel.labels.empty() ? 0 : panel.labels[i]);
    if (lines.size() <= label) lines.resize(label + 1);
    lines[label] += concat(number(points[2 * i]), " ", number(points[2 * i + 1]), "\n");
  }
  std::vector<Block> blocks;
  for (std::size_t label = 0; label < lines.size(); ++label) {
    if (lines[label].empty()) continue;
    blocks.push_back({.name = concat("$panel", number_of_panel, "_class", label), .label = label});
    data += concat(blocks.back().name, " << END\n", lines[label], "END\n");
  }
  return blocks;
}

// Ranges of equal length that hold all points with some room: a square panel then shows distances
// as they are.
std::string square_ranges(const Tensor& points) {
  const auto values = points.to(Dtype::f64).to_vector<double>();
  std::array<double, 2> low{values[0], values[1]}, high = low;
  for (std::size_t i = 0; i < values.size(); ++i) {
    low.at(i % 2) = std::min(low.at(i % 2), values[i]);
    high.at(i % 2) = std::max(high.at(i % 2), values[i]);
  }
  const double extent = std::max(high[0] - low[0], high[1] - low[1]), half = extent > 0 ? 0.53 * extent : 1;
  const auto range = [&](int axis, const char* name) {
    const double middle = (low.at(static_cast<std::size_t>(axis)) + high.at(static_cast<std::size_t>(axis))) / 2;
    return concat("set ", name, " [", number(middle - half), ":", number(middle + half), "]\n");
  };
  return range(0, "xrange") + range(1, "yrange");
}

void validate(const ScatterPanel& panel) {
  const Tensor& points = panel.points;
  check<ShapeError>(points && points.rank() == 2 && points.dim(1) == 2, "scatter plot: points are (N,2), but are ",
                    points ? concat(points.shape()) : "undefined");
  check<ValueError>(points.dim(0) > 0, "scatter plot: the panel '", panel.title, "' has no points");
  check<ShapeError>(panel.labels.empty() || static_cast<std::int64_t>(panel.labels.size()) == points.dim(0),
                    "scatter plot: ", points.dim(0), " points have ", panel.labels.size(), " labels; give one each, or none");
  check<ValueError>(std::ranges::all_of(panel.labels, [](std::int32_t label) { return label >= 0; }),
                    "scatter plot: labels count from 0, but one is negative");
}

void validate(const CurvePanel& panel) {
  for (const Series& series : panel.series) {
    check<ValueError>(!series.points.empty(), "curves: the series '", series.name, "' of '", panel.title, "' has no points");
    for (const CurvePoint& point : series.points) {
      check<ValueError>(!panel.log_x || point.x > 0, "curves: the logarithmic axis of '", panel.title,
                        "' cannot show x = ", point.x);
    }
  }
  check<ValueError>(!panel.series.empty(), "curves: the panel '", panel.title, "' has no series");
}

// By default, gnuplot extends a logarithmic axis to the next power of ten.
std::string x_axis(const CurvePanel& panel) {
  if (!panel.log_x) return "unset logscale x\nset xrange [*:*]\n";
  double low = panel.series[0].points[0].x, high = low;
  for (const Series& series : panel.series) {
    for (const CurvePoint& point : series.points) {
      low = std::min(low, point.x);
      high = std::max(high, point.x);
    }
  }
  return concat("set logscale x\nset xrange [", number(low / 1.25), ":", number(high * 1.25), "]\n");
}

}  // namespace

CurvePoint summarize(double x, const std::vector<double>& values) {
  check<ValueError>(!values.empty(), "curves: there are no values at x = ", x);
  const auto [low, high] = std::ranges::minmax(values);
  double sum = 0;
  for (const double value : values) sum += value;
  return {.x = x, .mean = sum / static_cast<double>(values.size()), .low = low, .high = high};
}

std::string gnuplot_script(const Scatter& scatter, const std::string& name) {
  check<ValueError>(!scatter.panels.empty(), "scatter plot: there are no panels");
  std::size_t classes = 1;
  for (const ScatterPanel& panel : scatter.panels) {
    validate(panel);
    for (const std::int32_t label : panel.labels) classes = std::max(classes, static_cast<std::size_t>(label) + 1);
  }
  const bool legend = classes > 1 && classes <= kLegend;
  std::set<std::size_t> seen;
  std::string data, drawing = "unset tics\nset size square\n";
  for (std::size_t p = 0; p < scatter.panels.size(); ++p) {
    const ScatterPanel& panel = scatter.panels[p];
    const bool unlabelled = classes > 1 && panel.labels.empty();
    std::string plots;
    for (const auto& [block, label] : write_blocks(panel, p, data)) {
      if (!unlabelled) seen.insert(label);
      plots += concat(plots.empty() ? "plot " : kNext, block, " with points pointtype 7 pointsize 0.4 linecolor ",
                      unlabelled ? kUnlabelled : color_of(label, classes), " notitle");
    }
    const bool last = p + 1 == scatter.panels.size();
    if (legend && last) {  // once for all panels, with larger points
      for (const std::size_t label : seen) {
        const std::string title = label < scatter.classes.size() ? scatter.classes[label] : std::to_string(label);
        plots += concat(kNext, "NaN with points pointtype 7 pointsize 1 linecolor ", color_of(label, classes), " title ",
                        quoted(title));
      }
    }
    drawing += concat(legend && last ? "set key at screen 0.99,0.5 right center\n" : "unset key\n", square_ranges(panel.points),
                      "set title ", quoted(panel.title), "\n", plots, "\n");
  }
  const Grid grid(scatter.panels.size());
  const int width = 640 * grid.columns + (legend ? kLegendWidth : 0);
  const double right = (width - (legend ? kLegendWidth : 0)) / static_cast<double>(width);
  const std::string margins = concat("margins 0.01,", number(right - 0.01), ",0.02,0.93 spacing 0.02,0.08");
  return assemble(data, grid.multiplot(margins, drawing), name, width, 660 * grid.rows);
}

std::string gnuplot_script(const Curves& curves, const std::string& name) {
  check<ValueError>(!curves.empty(), "curves: there are no panels");
  std::string data, drawing = "set grid\nset key above\n";
  for (std::size_t p = 0; p < curves.size(); ++p) {
    const CurvePanel& panel = curves[p];
    validate(panel);
    std::string plots;
    for (std::size_t s = 0; s < panel.series.size(); ++s) {
      const std::string block = concat("$panel", p, "_series", s);
      std::string lines;
      bool bars = false;
      for (const CurvePoint& point : panel.series[s].points) {
        lines += concat(number(point.x), " ", number(point.mean), " ", number(point.low), " ", number(point.high), "\n");
        bars = bars || point.low < point.high;
      }
      data += concat(block, " << END\n", lines, "END\n");
      const std::string color = color_of(s, panel.series.size());
      plots += concat(plots.empty() ? "plot " : kNext, block, " using 1:2 with linespoints pointtype 7 linecolor ", color,
                      " title ", quoted(panel.series[s].name));
      if (bars) plots += concat(kNext, block, " using 1:2:3:4 with yerrorbars pointtype 7 linecolor ", color, " notitle");
    }
    drawing += concat(x_axis(panel), "set title ", quoted(panel.title), "\nset xlabel ", quoted(panel.x_label), "\nset ylabel ",
                      quoted(panel.y_label), "\n", plots, "\n");
  }
  const Grid grid(curves.size());
  return assemble(data, grid.multiplot("", drawing), name, 640 * grid.columns, 480 * grid.rows);
}

std::string gnuplot_script(const Heatmap& heatmap, const std::string& name) {
  const auto& [title, row_label, column_label, rows, columns, values] = heatmap;
  check<ValueError>(!rows.empty() && !columns.empty() && values.size() == rows.size() &&
                        std::ranges::all_of(values, [&](const auto& row) { return row.size() == heatmap.columns.size(); }),
                    "heatmap: ", rows.size(), " rows of ", columns.size(), " names have as many values");
  constexpr std::size_t kMostNames = 40;
  std::string data = "$shares << EOD\n";
  for (const std::vector<double>& row : values) {
    for (const double value : row) data += number(value) + " ";
    data += "\n";
  }
  data += "EOD\n";
  const auto tics = [](const char* axis, const std::vector<std::string>& names) {
    std::string list;
    for (std::size_t i = 0; i < names.size() && names.size() <= kMostNames; ++i)
      list += concat(list.empty() ? "" : ", ", quoted(names[i]), " ", i);
    return concat("set ", axis, "tics ", axis[0] == 'x' ? "rotate by 45 right " : "", "(", list, ")\n");
  };
  const std::string drawing =
      concat("set title ", quoted(title), "\nset xlabel ", quoted(column_label), "\nset ylabel ", quoted(row_label), "\n",
             tics("x", columns), tics("y", rows), "set xrange [-0.5:", columns.size(), "-0.5]\nset yrange [", rows.size(),
             "-0.5:-0.5]\nset cbrange [0:1]\nset palette defined (0 'white', 0.5 '#6baed6', 1 '#08306b')\nunset key\n",
             "plot $shares matrix with image\n");
  return assemble(data, drawing, name, 760, 700);
}

bool draw(const std::string& script, const std::filesystem::path& folder, const std::string& name) {
  const std::filesystem::path path = folder / (name + ".gp");
  replace_file(path, script);
  const auto gnuplot = find_program("gnuplot");
  if (!gnuplot) return false;
  // Run in the folder, so that the script holds no path: a path may hold any character.
  const ProcessResult result = run_process(*gnuplot, {name + ".gp"}, folder);
  check<IoError>(result.status == 0, "gnuplot: status ", result.status, " for ", path.string(), ": ",
                 result.output.substr(0, result.output.find('\n')));
  return true;
}

void write_csv(const std::filesystem::path& path, const std::vector<std::vector<std::string>>& rows) {
  AtomicFile file(path);
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i > 0) line += ',';
      if (row[i].find_first_of(",\"\r\n") == std::string::npos) {
        line += row[i];
        continue;
      }
      line += '"';
      for (const char c : row[i]) line += c == '"' ? "\"\"" : std::string{c};
      line += '"';
    }
    file.write(line + "\n");
  }
  file.commit();
}

}  // namespace mec
