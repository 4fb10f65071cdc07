// Scatter plots and curves, drawn by gnuplot where it is installed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "mec/tensor/tensor.h"

namespace mec {

// Points of one square panel, coloured by class.
struct ScatterPanel {
  std::string title = {};
  Tensor points;                          // (N,2)
  std::vector<std::int32_t> labels = {};  // (N), or empty: one colour, of no class
};
// Panels side by side (four or more in a square). `classes` names the labels in the legend, which
// is left out above twenty.
struct Scatter {
  std::vector<ScatterPanel> panels;
  std::vector<std::string> classes = {};
};

// A curve of means, with bars from the lowest to the highest where these differ.
struct CurvePoint {
  double x = 0, mean = 0, low = 0, high = 0;
};
struct Series {
  std::string name;
  std::vector<CurvePoint> points;
};
// The point of several values at x, such as one for each seed. ValueError without any.
CurvePoint summarize(double x, const std::vector<double>& values);

struct CurvePanel {
  std::string title = {}, x_label = {}, y_label = {};
  bool log_x = false;
  std::vector<Series> series = {};
};
using Curves = std::vector<CurvePanel>;

// A matrix of shares in [0, 1] as shades, its first row at the top. Names of rows and columns are
// left out above forty.
struct Heatmap {
  std::string title = {}, row_label = {}, column_label = {};
  std::vector<std::string> rows, columns;
  std::vector<std::vector<double>> values;  // [row][column]
};

// The gnuplot script that draws NAME.png and NAME.svg in the folder it is run in; it holds the
// numbers itself. ShapeError for points that are not (N,2) or labels that are not N, ValueError for
// a panel without points, what a logarithmic axis cannot show, or a matrix without elements or with
// rows that its names do not fit.
std::string gnuplot_script(const Scatter& scatter, const std::string& name);
std::string gnuplot_script(const Curves& curves, const std::string& name);
std::string gnuplot_script(const Heatmap& heatmap, const std::string& name);

// Writes FOLDER/NAME.gp and runs gnuplot on it where there is one on the PATH. True: the pictures
// are there; false: no gnuplot. IoError when gnuplot fails, with the first line of its output.
bool draw(const std::string& script, const std::filesystem::path& folder, const std::string& name);

// A table in CSV (RFC 4180): fields with commas, quotes or line ends are quoted. Replaces the file
// atomically.
void write_csv(const std::filesystem::path& path, const std::vector<std::vector<std::string>>& rows);

}  // namespace mec
