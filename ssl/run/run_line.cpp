#include "mec/ssl/run/run_line.h"

#include <limits>

#include <nlohmann/json.hpp>

#include "mec/tensor/io/limits.h"

namespace mec {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kMostSteps = std::uint64_t{1} << 53;  // a double has all whole numbers up to it

std::optional<std::int64_t> count_in(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_unsigned() || found->get<std::uint64_t>() > kMostSteps) return {};
  return found->get<std::int64_t>();
}

template <class T> std::optional<T> value_of(const std::vector<std::pair<std::string, T>>& all, const std::string& name) {
  for (const auto& [key, value] : all) {
    if (key == name) return value;
  }
  return {};
}

}  // namespace

std::optional<double> RunLine::number(const std::string& name) const { return value_of(numbers, name); }

std::string RunLine::text(const std::string& name) const { return value_of(texts, name).value_or("?"); }

std::optional<RunLine> parse_run_line(const std::string& text) {
  bool deep = false;
  const auto watch = [&](int depth, Json::parse_event_t, const Json&) {
    deep = deep || depth > limits::kJsonDepth;
    return !deep;
  };
  const Json object = Json::parse(text, watch, false);
  if (deep || !object.is_object()) return {};
  const auto step = count_in(object, "step");
  if (!step) return {};
  RunLine line{.step = *step, .epoch = count_in(object, "epoch").value_or(0), .numbers = {}, .texts = {}};
  for (const auto& [name, value] : object.items()) {
    if (name == "step" || name == "epoch") continue;
    if (value.is_number()) line.numbers.emplace_back(name, value.get<double>());
    else if (value.is_null()) line.numbers.emplace_back(name, std::numeric_limits<double>::quiet_NaN());
    else if (value.is_string()) line.texts.emplace_back(name, value.get<std::string>());
  }
  return line;
}

}  // namespace mec
