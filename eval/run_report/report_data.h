// What a report shows, before it becomes a page.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mec/eval/report.h"

namespace mec::report {

// A picture is the text of a data: URI.

struct Fact {
  std::string name, text;
};

struct SettingLine {
  std::string key, value, standard;  // the method's default
};

// Of one number against the step.
struct Curve {
  std::string name;
  std::vector<double> steps, values;  // NaN: not finite
};

// An image of the data set.
struct Tile {
  std::string picture, name, class_name;
  double cosine = 0;  // of a neighbour
};
struct NeighbourRow {
  Tile query;
  std::vector<Tile> nearest;
};
struct ViewRow {
  Tile image;
  std::vector<std::string> views;
};

// Points of the plane, each with a thumbnail: the sheet has them row by row.
struct Plane {
  std::vector<float> xy;             // (N,2)
  std::vector<std::int32_t> labels;  // (N), or empty
  std::vector<std::string> names;    // (N)
  std::vector<std::string> classes;
  std::string sheet;
  int columns = 1, side = 1;
  std::string text;
};

struct Confusion {
  std::vector<std::string> classes;
  // Of each pair of true and predicted class that occurs: of many classes most never do.
  std::map<std::pair<std::int32_t, std::int32_t>, std::int64_t> counts;
  std::string text;
};

struct RunReport {
  std::string name, folder;
  std::vector<Fact> facts = {};
  std::vector<SettingLine> settings = {};
  std::vector<Curve> curves = {};
  std::vector<std::string> missing = {};  // what is left out, and why: a line for each
  std::vector<ReportRow> table = {};
  std::string table_text = {};
  std::vector<ViewRow> views = {};
  int views_per_draw = 0;  // views of a row come in draws of so many
  std::vector<NeighbourRow> neighbours = {};
  std::string neighbours_text = {};
  std::optional<Plane> plane = {};
  std::optional<Confusion> confusion = {};
};

}  // namespace mec::report
