#include "mec/eval/run_report/run_curves.h"

#include <cmath>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "mec/ssl/run/run_directory.h"
#include "mec/ssl/run/run_line.h"
#include "mec/tensor/clock.h"

namespace mec::report {

namespace {

// Calls `take` for each line that can be read. Returns how many others there are; one at the end
// that has no end of line is none of them.
std::int64_t for_each_line(const std::filesystem::path& path, const std::function<void(const RunLine&)>& take) {
  std::ifstream file(path, std::ios::binary);
  std::int64_t unread = 0;
  for (std::string text; std::getline(file, text) && !file.eof();) {
    const auto line = parse_run_line(text);
    if (line) take(*line);
    else ++unread;
  }
  return unread;
}

class Curves {
 public:
  void add(const std::string& name, std::int64_t step, double value) {
    const auto [place, is_new] = places_.try_emplace(name, curves_.size());
    if (is_new) curves_.push_back({.name = name, .steps = {}, .values = {}});
    curves_[place->second].steps.push_back(static_cast<double>(step));
    curves_[place->second].values.push_back(value);
  }
  std::vector<Curve> take() { return std::move(curves_); }

 private:
  std::map<std::string, std::size_t> places_;
  std::vector<Curve> curves_;
};

}  // namespace

void thin(Curve& curve, std::size_t most) {
  const std::size_t count = curve.values.size(), stretches = most < 2 ? 0 : (most - 2) / 3;
  if (count <= most || stretches == 0) return;
  std::set<std::size_t> kept{0, count - 1};
  for (std::size_t stretch = 0; stretch < stretches; ++stretch) {
    const std::size_t begin = stretch * count / stretches, end = (stretch + 1) * count / stretches;
    std::optional<std::size_t> gap, low, high;
    for (std::size_t i = begin; i < end; ++i) {
      const double value = curve.values[i];
      if (std::isnan(value)) {
        if (!gap) gap = i;
        continue;
      }
      if (!low || value < curve.values[*low]) low = i;
      if (!high || value > curve.values[*high]) high = i;
    }
    for (const auto& i : {gap, low, high}) {
      if (i) kept.insert(*i);
    }
  }
  Curve thinned{.name = curve.name, .steps = {}, .values = {}};
  for (const std::size_t i : kept) {
    thinned.steps.push_back(curve.steps[i]);
    thinned.values.push_back(curve.values[i]);
  }
  curve = std::move(thinned);
}

RunCurves read_curves(const std::filesystem::path& run, std::int64_t batch) {
  RunCurves all;
  Curves curves;
  const std::int64_t metrics = for_each_line(run / kMetricsFile, [&](const RunLine& line) {
    for (const auto& [name, value] : line.numbers) curves.add(name, line.step, value);
    if (!line.number("lr")) return;  // scores
    if (line.epoch == 1) all.steps_of_first_epoch = line.step;
    all.step = line.step;
    all.epoch = line.epoch;
  });
  std::vector<double> speeds;
  const std::int64_t timings = for_each_line(run / kTimingsFile, [&](const RunLine& line) {
    if (!line.number("data_seconds")) return;  // of scores
    const double seconds = line.number("seconds").value_or(0);
    if (!(seconds > 0)) return;
    all.seconds += seconds;
    speeds.push_back(static_cast<double>(batch) / seconds);
    curves.add("images_per_second", line.step, speeds.back());
  });
  if (!speeds.empty()) all.images_per_second = median(std::move(speeds));
  for (const auto& [count, name] : {std::pair(metrics, kMetricsFile), std::pair(timings, kTimingsFile)}) {
    if (count > 0)
      all.unread += concat(all.unread.empty() ? "" : "; ", counted(count, "line"), " of ", name, " cannot be read");
  }
  all.curves = curves.take();
  for (Curve& curve : all.curves) thin(curve);
  return all;
}

}  // namespace mec::report
