#include "mec/nn/files/weights.h"

#include <algorithm>
#include <variant>

#include "mec/nn/files/weight_names.h"
#include "mec/nn/files/weight_values.h"
#include "mec/nn/layout.h"
#include "mec/tensor/devices.h"
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

// What the module needs from the file, in the module's order.
struct Wanted : Visitor {
  struct Entry {
    std::string name;
    Shape shape;  // in the file
    std::variant<Parameter, Tensor> target;
  };

  void parameter(const std::string& name, Parameter& parameter) override {
    entries.push_back({name, file_shape(parameter.value.shape(), parameter.file_channels), parameter});
    names.insert(name);
  }
  void buffer(const std::string& name, Tensor& buffer) override {
    entries.push_back({name, buffer.shape(), buffer});
    names.insert(name);
    if (const std::string counter = counter_of(name); !counter.empty()) counters.insert(counter);
  }

  std::vector<Entry> entries;
  Names names, counters;
};

// Collects what does not fit, by kind, each kind with a count and its first example. The error is
// one short line.
class Misfits {
 public:
  void missing(const std::string& name) { missing_.add(shortened(name)); }
  void misshapen(const SafetensorsEntry& found, const Shape& expected) {
    shape_.add(concat(shortened(found.name), " is ", shape_text(found), ", but ", expected, " here"));
  }
  void unreadable(const SafetensorsEntry& found) { type_.add(concat(shortened(found.name), " is ", found.type)); }
  void unknown(const std::string& name) { unknown_.add(shortened(name)); }

  void check_none(const std::string& file, const std::string& prefix, std::size_t wanted) const {
    const std::string head = concat(file, ": the weights do not fit the network",
                                    prefix.empty() ? "" : concat(" (names behind '", shortened(prefix), "')"), ": ");
    const std::string tail = "mec info FILE lists them";
    struct Told {
      const Kind& kind;
      std::string count;
    };
    std::vector<Told> told;
    std::size_t length = head.size() + tail.size();
    const auto tell = [&](const Kind& kind, const std::string& what) {
      if (kind.count == 0) return;
      told.push_back({kind, concat(kind.count, what)});
      length += told.back().count.size() + 2;
    };
    tell(missing_, concat(" of ", wanted, " tensors missing"));
    tell(shape_, " of another shape");
    tell(type_, " of a type that no weight has");
    tell(unknown_, " unknown here");
    if (told.empty()) return;

    std::string message = head;
    for (const auto& [kind, count] : told) {
      const std::string example = concat(" (", kind.example, ")");
      const bool fits = length + example.size() <= kLongest;
      if (fits) length += example.size();
      message += concat(count, fits ? example : "", "; ");
    }
    throw IoError(message + tail);
  }

 private:
  struct Kind {
    std::size_t count = 0;
    std::string example;
    void add(const std::string& text) {
      if (count++ == 0) example = text;
    }
  };
  static constexpr std::size_t kLongest = 280;  // characters, if the file's name allows it

  static std::string shortened(const std::string& name) {
    constexpr std::size_t kLetters = 32;
    return name.size() <= kLetters ? name : "..." + name.substr(name.size() - kLetters);
  }

  Kind missing_, shape_, type_, unknown_;
};

// What the file has for each entry of `wanted`, in order, and the counts of batches.
struct Matched {
  std::vector<const SafetensorsEntry*> entries, counters;
};

Matched match(const SafetensorsReader& reader, const Wanted& wanted, const LoadOptions& options, LoadReport& report) {
  Matched matched;
  Misfits misfits;
  std::map<std::string, const SafetensorsEntry*> found;  // by the module's names
  for (const SafetensorsEntry& entry : reader.entries()) {
    const bool here = entry.name.starts_with(report.prefix);
    std::string name = here ? entry.name.substr(report.prefix.size()) : entry.name;
    if (const auto renamed = options.renamed.find(name); here && renamed != options.renamed.end()) name = renamed->second;
    if (here && wanted.names.contains(name)) found[name] = &entry;
    else if (here && wanted.counters.contains(name)) matched.counters.push_back(&entry);
    else if (here && is_akin(name, wanted.names)) misfits.unknown(name);
    else report.left_out.push_back(entry.name);
  }
  for (const auto& [name, shape, target] : wanted.entries) {
    const auto at = found.find(name);
    if (at == found.end()) {
      misfits.missing(name);
      continue;
    }
    const SafetensorsEntry& entry = *at->second;
    if (!std::ranges::equal(entry.sizes, shape.dims())) misfits.misshapen(entry, shape);
    else if (!entry.element || !is_floating(dtype_of(*entry.element))) misfits.unreadable(entry);
    matched.entries.push_back(&entry);
  }
  misfits.check_none(reader.file(), report.prefix, wanted.entries.size());
  return matched;
}

// The values are checked as they are in the file, before they are converted to the module's dtype.
Tensor read_checked(SafetensorsReader& reader, const SafetensorsEntry& entry, const Device& host) {
  Tensor tensor = reader.read(entry, host);
  check_weight_values(reader.file(), entry.name, tensor);
  return tensor;
}

void assign(const Wanted::Entry& wanted, const Tensor& tensor) {
  if (const auto* buffer = std::get_if<Tensor>(&wanted.target)) return buffer->copy_from(tensor);
  Parameter parameter = std::get<Parameter>(wanted.target);
  const Shape& in_memory = parameter.value.shape();
  parameter.value.assign(to_memory_form(tensor, in_memory, parameter.file_channels));
}

}  // namespace

void save_weights(const std::filesystem::path& path, Module& module, const std::map<std::string, std::string>& metadata) {
  Saver saver;
  module.visit("", saver);
  std::ranges::move(saver.counters, std::back_inserter(saver.tensors));
  write_safetensors(path, {.metadata = metadata, .tensors = std::move(saver.tensors)});
}

LoadReport load_weights(const std::filesystem::path& path, Module& module, const LoadOptions& options) {
  SafetensorsReader reader(path);
  Wanted wanted;
  module.visit("", wanted);
  check<ValueError>(!wanted.entries.empty(), "load_weights: the module has no parameters");

  LoadReport report;
  if (options.prefix) {
    report.prefix = *options.prefix;
    if (!report.prefix.empty() && !report.prefix.ends_with('.')) report.prefix += '.';
  } else {
    std::vector<std::string> in_file;
    for (const SafetensorsEntry& entry : reader.entries()) in_file.push_back(entry.name);
    report.prefix = find_prefix(in_file, wanted.names, path.string());
  }
  Matched matched = match(reader, wanted, options, report);

  const Device host = make_reference_device();
  std::vector<Tensor> tensors;
  for (const SafetensorsEntry* entry : matched.entries) tensors.push_back(read_checked(reader, *entry, host));
  if (!options.check_counters) matched.counters.clear();
  for (const SafetensorsEntry* entry : matched.counters) read_checked(reader, *entry, host);
  for (std::size_t i = 0; i < tensors.size(); ++i) assign(wanted.entries[i], tensors[i]);
  return report;
}

}  // namespace mec
