#include "mec/tensor/backends/cuda/cudnn/plan_choices.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "mec/tensor/io/atomic_file.h"
#include "mec/tensor/io/input_file.h"
#include "mec/tensor/io/limits.h"

namespace mec::cuda {

namespace {

using nlohmann::json;

constexpr const char* kFormat = "mec convolution plans 1";

// Fields of a key as JSON: numbers and truth values as they are, enumerations by name.
template <class T> void put(json& to, const T& field) { to = field; }
void put(json& to, ConvolutionDirection field) { to = name_of(field); }
void put(json& to, Dtype field) { to = name_of(field); }

template <class T> void get(const json& from, T& field) { field = from.get<T>(); }

template <class T, std::size_t count> void get_named(const json& from, const T (&all)[count], T& field) {
  const auto name = from.get<std::string>();
  const auto* found = std::ranges::find_if(all, [&](T value) { return name == name_of(value); });
  check(found != std::end(all), "'", name, "' is not known");
  field = *found;
}
void get(const json& from, ConvolutionDirection& field) {
  static constexpr ConvolutionDirection kAll[] = {ConvolutionDirection::forward, ConvolutionDirection::grad_input,
                                                  ConvolutionDirection::grad_weight};
  get_named(from, kAll, field);
}
void get(const json& from, Dtype& field) {
  static constexpr Dtype kAll[] = {Dtype::f32, Dtype::bf16, Dtype::f64, Dtype::u8, Dtype::i32, Dtype::i64};
  get_named(from, kAll, field);
}

json to_json(const ConvolutionKey& key, const PlanChoice& choice) {
  json fields = json::object();
  visit_fields(key, [&](const char* name, const auto& field) { put(fields[name], field); });
  return {{"key", std::move(fields)},
          {"engine", choice.engine.engine},
          {"knobs", choice.engine.knobs},
          {"milliseconds", choice.timed() ? json(choice.milliseconds) : json(nullptr)}};
}

std::pair<ConvolutionKey, PlanChoice> from_json(const json& entry) {
  std::pair<ConvolutionKey, PlanChoice> read;
  auto& [key, choice] = read;
  const json& fields = entry.at("key");
  visit_fields(key, [&](const char* name, auto& field) { get(fields.at(name), field); });
  choice.engine.engine = entry.at("engine").get<std::int64_t>();
  choice.engine.knobs = entry.at("knobs").get<decltype(choice.engine.knobs)>();
  if (const json& ms = entry.at("milliseconds"); !ms.is_null()) choice.milliseconds = ms.get<double>();
  return read;
}

std::string describe(const PlanHost& host) {
  return concat("cuDNN ", host.cudnn, " on ", host.device, " with ", host.multiprocessors, " multiprocessors");
}

}  // namespace

const PlanChoice* PlanChoices::find(const ConvolutionKey& key) const {
  const auto found = choices_.find(key);
  return found == choices_.end() ? nullptr : &found->second;
}

std::string PlanChoices::text() const {
  std::vector<std::string> lines;
  for (const auto& [key, choice] : choices_) lines.push_back(to_json(key, choice).dump());
  std::ranges::sort(lines);  // the table's own order is arbitrary
  std::string text = concat("{\"format\": ", json(kFormat), ", \"cudnn\": ", host_.cudnn, ", \"device\": ", json(host_.device),
                            ", \"multiprocessors\": ", host_.multiprocessors, ",\n\"plans\": [");
  for (std::size_t i = 0; i < lines.size(); ++i) text += concat(i ? ",\n" : "\n", lines[i]);
  return text + "\n]}\n";
}

std::string PlanChoices::take(const std::string& text) {
  try {
    const json file = json::parse(text, [](int depth, json::parse_event_t, const json&) {
      check(depth <= limits::kJsonDepth, "it is nested more than ", limits::kJsonDepth, " deep");
      return true;
    });
    if (const json& format = file.at("format"); format != kFormat) {
      return concat("its format is ", format, ", this program's \"", kFormat, "\"");
    }
    const PlanHost theirs{file.at("cudnn").get<std::int64_t>(), file.at("device").get<std::string>(),
                          file.at("multiprocessors").get<std::int64_t>()};
    if (theirs != host_) return concat("it was made by ", describe(theirs), ", but here is ", describe(host_));
    decltype(choices_) read;
    for (const json& entry : file.at("plans")) read.insert(from_json(entry));
    for (const auto& [key, choice] : read) choices_[key] = choice;
    return {};
  } catch (const json::exception& error) {
    return concat("it is damaged: ", error.what());
  } catch (const Error& error) {
    return concat("it is damaged: ", error.what());
  }
}

std::string PlanChoices::load(const std::filesystem::path& path) {
  std::error_code none;
  if (!std::filesystem::exists(path, none)) return {};
  std::string reason;
  try {
    const auto bytes = read_file(path);
    reason = take(std::string(bytes.begin(), bytes.end()));
  } catch (const IoError& error) {
    reason = error.what();
  }
  return reason.empty() ? reason : concat("convolution plans in ", path.string(), " are not used: ", reason);
}

std::string PlanChoices::disagreement(const ConvolutionPolicy& policy) const {
  const auto differs = [&](const auto& entry) {
    const ConvolutionKey& key = entry.first;
    return key.deterministic != policy.deterministic || (key.operands == Dtype::f32 && key.tf32 != policy.tf32);
  };
  const auto found = std::ranges::find_if(choices_, differs);
  if (found == choices_.end()) return {};
  const ConvolutionKey& key = found->first;
  const auto text = [](bool deterministic, bool tf32) {
    return concat(tf32 ? "with" : "without", " --tf32 and ", deterministic ? "without" : "with", " --nondeterministic");
  };
  const bool tf32 = key.operands == Dtype::f32 ? key.tf32 : policy.tf32;
  return concat("engines were chosen ", text(key.deterministic, tf32), ", but here it is ",
                text(policy.deterministic, policy.tf32), ": results would have other bits");
}

void PlanChoices::save(const std::filesystem::path& path) const { replace_file(path, text()); }

}  // namespace mec::cuda
