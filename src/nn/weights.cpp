#include "mec/nn/weights.h"

#include <algorithm>
#include <set>
#include <utility>

#include "mec/nn/layout.h"
#include "mec/tensor/io/safetensors.h"

namespace mec {

namespace {

constexpr std::string_view kMean = "running_mean";

// "bn1.running_mean" -> "bn1.num_batches_tracked"; empty for other names.
std::string counter_of(const std::string& buffer) {
  if (!buffer.ends_with(kMean)) return {};
  return buffer.substr(0, buffer.size() - kMean.size()) + "num_batches_tracked";
}

struct Saver : Visitor {
  void parameter(const std::string& name, Parameter& parameter) override {
    tensors.push_back({name, to_file_form(parameter.value.data(), parameter.file_channels)});
  }
  void buffer(const std::string& name, Tensor& buffer) override {
    tensors.push_back({name, buffer});
    if (const std::string counter = counter_of(name); !counter.empty()) {
      counters.push_back({counter, Tensor::from(std::vector<std::int64_t>{0}, {}, buffer.device())});
    }
  }

  std::vector<NamedTensor> tensors, counters;
};

// Compares a file with a module, and notes what does not fit.
struct Matcher : Visitor {
  explicit Matcher(const SafetensorsFile& f) : file(f) {}

  void parameter(const std::string& name, Parameter& parameter) override {
    if (const Tensor* found = find(name, file_shape(parameter.value.shape(), parameter.file_channels)))
      parameters.emplace_back(parameter, *found);
  }
  void buffer(const std::string& name, Tensor& buffer) override {
    known.insert(counter_of(name));
    if (const Tensor* found = find(name, buffer.shape())) buffers.emplace_back(buffer, *found);
  }

  const Tensor* find(const std::string& name, const Shape& expected) {
    known.insert(name);
    const Tensor* found = file.find(name);
    if (!found) {
      problems += concat("; ", name, " is missing");
    } else if (found->shape() != expected) {
      problems += concat("; ", name, " is ", found->shape(), " in the file, but ", expected, " here");
    } else if (!is_floating(found->dtype())) {
      problems += concat("; ", name, " is ", found->dtype(), ", which no weight can be");
    }
    return found;
  }

  const SafetensorsFile& file;
  std::set<std::string> known;
  std::string problems;
  std::vector<std::pair<Parameter, Tensor>> parameters;
  std::vector<std::pair<Tensor, Tensor>> buffers;
};

Device device_of(Module& module) {
  const auto parameters = parameters_of(module);
  check<ValueError>(!parameters.empty(), "load_weights: the module has no parameters");
  return parameters.front().parameter.value.data().device();
}

}  // namespace

void save_weights(const std::filesystem::path& path, Module& module, const std::map<std::string, std::string>& metadata) {
  Saver saver;
  module.visit("", saver);
  std::ranges::move(saver.counters, std::back_inserter(saver.tensors));
  write_safetensors(path, {.metadata = metadata, .tensors = std::move(saver.tensors)});
}

LoadReport load_weights(const std::filesystem::path& path, Module& module, const LoadOptions& options) {
  const SafetensorsFile file = read_safetensors(path, device_of(module));
  Matcher matcher(file);
  module.visit("", matcher);
  LoadReport report;
  for (const NamedTensor& in_file : file.tensors) {
    const std::string& name = in_file.name;
    if (matcher.known.contains(name)) continue;
    const bool may_go = std::ranges::any_of(options.leave_out, [&](const std::string& p) { return name.starts_with(p); });
    if (may_go) report.left_out.push_back(name);
    else matcher.problems += concat("; ", name, " is unknown here");
  }
  check<IoError>(matcher.problems.empty(), path.string(), ": the weights do not fit the network", matcher.problems);

  for (auto& [parameter, tensor] : matcher.parameters) {
    parameter.value.assign(to_memory_form(tensor, parameter.value.shape(), parameter.file_channels));
  }
  for (const auto& [buffer, tensor] : matcher.buffers) buffer.copy_from(tensor);
  return report;
}

}  // namespace mec
