#include "mec/ssl/run/import_encoder.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <set>

#include "mec/data/formats/open_dataset.h"
#include "mec/nn/files/foreign_encoder.h"
#include "mec/nn/files/weights.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/io/output_path.h"
#include "mec/tensor/text.h"

namespace mec {

namespace {

// 0.485 for the float nearest to it, rather than 0.48500001430511475.
std::vector<double> as_written(const std::vector<float>& values) {
  std::vector<double> result;
  for (const float value : values) {
    std::array<char, 32> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    std::from_chars(digits.data(), end, result.emplace_back());
  }
  return result;
}

void check_scale(const PixelStatistics& images) {
  const auto far = [](double highest) { return [=](double value) { return value < 0 || value > highest; }; };
  const auto mean = std::ranges::find_if(images.mean, far(1)), std = std::ranges::find_if(images.std, far(1));
  const bool found = mean != images.mean.end() || std != images.std.end();
  check<ValueError>(!found, "import: pixels are in [0, 1], so that means are, too, and stds are at most 1, but ",
                    mean != images.mean.end() ? "a mean" : "a std", " is ",
                    digits_of(!found                      ? 0
                              : mean != images.mean.end() ? *mean
                                                          : *std),
                    "; these look like pixels of 0 to 255: divide mean and std by 255");
}

void set_info(const FoundEncoder& found, const SafetensorsReader& reader, const ImportOptions& options, ImportReport& report) {
  WeightsInfo& info = report.info;
  const bool explained = reader.metadata().contains("mec_format");
  if (explained) info = to_weights_info(reader.metadata(), reader.file());
  info.encoder = found.config;
  report.assumed_size = !explained && !options.image_size;
  if (report.assumed_size) info.image_size = found.config.stem == Stem::cifar ? 32 : 224;
  else if (options.image_size) info.image_size = *options.image_size;

  const std::int64_t channels = found.config.in_channels;
  report.assumed_normalization = !explained && !options.normalization;
  report.assumed_layers = !explained;
  check<ValueError>(!report.assumed_normalization || channels == 1 || channels == 3, reader.file(), ": of ", channels,
                    " image channels ImageNet's mean and std are not known; say --mean and --std "
                    "(ImportOptions::normalization)");
  if (!explained || options.normalization) {
    const PixelStatistics images =
        options.normalization ? *options.normalization
                              : statistics_of(normalization_preset("imagenet").for_channels(static_cast<int>(channels)));
    info.mean = images.mean;
    info.std = images.std;
    check_scale(images);
  }
  validate(info);
}

// "layer1" of "layer1.0.conv1.weight".
std::string first_component(const std::string& name) { return name.substr(0, name.find('.')); }

// What a tensor that is left out belongs to: its name without what it is there, and without what
// follows a number: "module.projector" of "module.projector.0.weight"; "module.queue".
std::string owner_of(const std::string& name) {
  static const std::set<std::string> parts{"weight", "bias", "running_mean", "running_var", "num_batches_tracked"};
  const std::size_t last = name.rfind('.');
  std::string owner = last != std::string::npos && parts.contains(name.substr(last + 1)) ? name.substr(0, last) : name;
  for (std::size_t at = owner.find('.'); at != std::string::npos; at = owner.find('.', at + 1)) {
    if (at + 1 < owner.size() && owner[at + 1] >= '0' && owner[at + 1] <= '9') return owner.substr(0, at);
  }
  return owner;
}

// Groups by name; a hostile file has a million of them.
class Groups {
 public:
  void add(const std::string& name, const SafetensorsEntry& entry, bool other_encoder) {
    ImportGroup& group =
        groups_.try_emplace(name, ImportGroup{.name = name, .types = {}, .other_encoder = other_encoder}).first->second;
    std::int64_t numbers = 1;
    for (const std::int64_t size : entry.sizes) numbers *= size;
    ++group.tensors;
    group.numbers += numbers;
    types_[name].insert(entry.type);
  }
  std::vector<ImportGroup> list() const {
    std::vector<ImportGroup> list;
    for (const auto& [name, group] : groups_) {
      const std::set<std::string>& types = types_.at(name);
      list.push_back(group);
      list.back().types = joined({types.begin(), types.end()}, " ");
    }
    return list;
  }

 private:
  std::map<std::string, ImportGroup> groups_;
  std::map<std::string, std::set<std::string>> types_;
};

// Of the prefixes, each of which ends in a dot, the longest that the name begins with; empty where
// there is none.
std::string prefix_among(const std::set<std::string>& prefixes, const std::string& name) {
  for (std::size_t dot = name.rfind('.'); dot != std::string::npos; dot = dot == 0 ? dot - 1 : name.rfind('.', dot - 1)) {
    if (prefixes.contains(name.substr(0, dot + 1))) return name.substr(0, dot + 1);
  }
  return "";
}

void sort_into_groups(const SafetensorsReader& reader, const FoundEncoder& found, const LoadReport& loaded,
                      ImportReport& report) {
  const std::set<std::string> left_out(loaded.left_out.begin(), loaded.left_out.end());
  const std::set<std::string> others(found.passed_over.begin(), found.passed_over.end());
  Groups taken, left;
  for (const SafetensorsEntry& entry : reader.entries()) {
    const std::string& name = entry.name;
    if (!left_out.contains(name)) {
      const std::string behind = name.substr(found.prefix.size());
      const auto renamed = found.renamed.find(behind);
      taken.add(first_component(renamed == found.renamed.end() ? behind : renamed->second), entry, false);
    } else if (const std::string other = prefix_among(others, name); !other.empty()) {
      left.add(other.substr(0, other.size() - 1), entry, true);
    } else {
      left.add(owner_of(name), entry, false);
    }
  }
  report.taken = taken.list();
  report.left_out = left.list();
}

}  // namespace

PixelStatistics statistics_of(const Normalization& normalization) {
  return {.mean = as_written(normalization.mean), .std = as_written(normalization.std)};
}

ImportReport import_encoder(const std::filesystem::path& from, const std::filesystem::path& to, const ImportOptions& options) {
  check_output("import", from, to, "encoder.safetensors");
  const SafetensorsReader reader(from);
  const FoundEncoder found = find_encoder(reader, options.prefix);
  ImportReport report{.info = {}, .prefix = found.prefix, .taken = {}, .left_out = {}};
  set_info(found, reader, options, report);
  ResNet encoder(found.config, make_cpu_device());
  const LoadReport loaded =
      load_weights(from, encoder, {.prefix = found.prefix, .renamed = found.renamed, .check_counters = false});
  sort_into_groups(reader, found, loaded, report);
  save_weights(to, encoder, to_metadata(report.info));
  return report;
}

}  // namespace mec
