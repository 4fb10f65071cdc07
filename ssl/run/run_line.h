// A line of metrics.jsonl, timings.jsonl or changes.jsonl, as it is read again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mec {

struct RunLine {
  std::int64_t step = 0, epoch = 0;                        // 0: it names no epoch
  std::vector<std::pair<std::string, double>> numbers;     // all others, in the line's order; NaN for null
  std::vector<std::pair<std::string, std::string>> texts;  // in the line's order

  std::optional<double> number(const std::string& name) const;
  std::string text(const std::string& name) const;  // "?" without one
};

// None where the text is no JSON object with a step of 0 to 2^53, or is nested as no line of a run
// is: it is damaged.
std::optional<RunLine> parse_run_line(const std::string& text);

}  // namespace mec
