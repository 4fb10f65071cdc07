#include "mec/eval/run_report/run_curves.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <map>

#include <nlohmann/json.hpp>

#include "mec/ssl/run/run_directory.h"
#include "mec/tensor/io/limits.h"

namespace mec::report {

namespace {

using Json = nlohmann::ordered_json;

// Calls `take` for each line that is a JSON object with a step. Returns how many others there are;
// one at the end that has no end of line is none of them.
std::int64_t for_each_line(const std::filesystem::path& path, const std::function<void(const Json&)>& take) {
  std::ifstream file(path, std::ios::binary);
  std::int64_t unread = 0;
  const auto no_depth = [](int depth, Json::parse_event_t, Json&) { return depth <= limits::kJsonDepth; };
  for (std::string line; std::getline(file, line) && !file.eof();) {
    const Json values = Json::parse(line, no_depth, false);
    const bool good = values.is_object() && values.contains("step") && values["step"].is_number_integer();
    if (good) take(values);
    else ++unread;
  }
  return unread;
}

class Curves {
 public:
  void add(const std::string& name, double step, double value) {
    const auto [place, is_new] = places_.try_emplace(name, curves_.size());
    if (is_new) curves_.push_back({.name = name, .steps = {}, .values = {}});
    curves_[place->second].steps.push_back(step);
    curves_[place->second].values.push_back(value);
  }
  void add_all(const Json& line) {
    for (const auto& [name, value] : line.items()) {
      if (name == "step" || name == "epoch") continue;
      if (value.is_number()) add(name, line["step"], value);
      else if (value.is_null()) add(name, line["step"], std::numeric_limits<double>::quiet_NaN());
    }
  }
  std::vector<Curve> take() { return std::move(curves_); }

 private:
  std::map<std::string, std::size_t> places_;
  std::vector<Curve> curves_;
};

double number_in(const Json& line, const char* name) {
  return line.contains(name) && line[name].is_number() ? line[name].get<double>() : 0;
}

}  // namespace

void thin(Curve& curve, std::size_t most) {
  const std::size_t count = curve.values.size(), stretches = most / 2;
  if (count <= most || stretches == 0) return;
  Curve kept{.name = curve.name, .steps = {}, .values = {}};
  const auto keep = [&](std::size_t i) {
    kept.steps.push_back(curve.steps[i]);
    kept.values.push_back(curve.values[i]);
  };
  for (std::size_t stretch = 0; stretch < stretches; ++stretch) {
    const std::size_t begin = stretch * count / stretches, end = (stretch + 1) * count / stretches;
    // A NaN is the lowest, so that a gap stays one.
    const auto lower = [&](std::size_t a, std::size_t b) {
      const double x = curve.values[a], y = curve.values[b];
      return std::isnan(x) ? !std::isnan(y) : x < y;
    };
    std::size_t low = begin, high = begin;
    for (std::size_t i = begin; i < end; ++i) {
      if (lower(i, low)) low = i;
      if (lower(high, i)) high = i;
    }
    keep(std::min(low, high));
    if (low != high) keep(std::max(low, high));
  }
  curve = std::move(kept);
}

RunCurves read_curves(const std::filesystem::path& run, std::int64_t batch) {
  RunCurves all;
  Curves curves;
  const std::int64_t metrics = for_each_line(run / kMetricsFile, [&](const Json& line) {
    curves.add_all(line);
    if (!line.contains("lr")) return;  // scores
    all.step = line["step"];
    all.epoch = static_cast<std::int64_t>(number_in(line, "epoch"));
  });
  const std::int64_t timings = for_each_line(run / kTimingsFile, [&](const Json& line) {
    if (!line.contains("data_seconds")) return;  // of scores
    const double seconds = number_in(line, "seconds");
    all.seconds += seconds;
    if (seconds > 0) curves.add("images_per_second", line["step"], static_cast<double>(batch) / seconds);
  });
  for (const auto& [count, name] : {std::pair(metrics, kMetricsFile), std::pair(timings, kTimingsFile)}) {
    if (count > 0)
      all.unread += concat(all.unread.empty() ? "" : "; ", counted(count, "line"), " of ", name, " cannot be read");
  }
  all.curves = curves.take();
  for (Curve& curve : all.curves) thin(curve);
  return all;
}

}  // namespace mec::report
