#include "mec/ssl/run/import_encoder.h"

#include <algorithm>
#include <set>

#include "mec/data/formats/open_dataset.h"
#include "mec/nn/files/foreign_encoder.h"
#include "mec/nn/files/weights.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/text.h"

namespace mec {

namespace {

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
  check<ValueError>(!report.assumed_normalization || channels == 1 || channels == 3, reader.file(), ": of ", channels,
                    " image channels ImageNet's mean and std are not known; say --mean and --std "
                    "(ImportOptions::normalization)");
  if (!explained || options.normalization) {
    const Normalization images = options.normalization
                                     ? *options.normalization
                                     : normalization_preset("imagenet").for_channels(static_cast<int>(channels));
    info.mean.assign(images.mean.begin(), images.mean.end());
    info.std.assign(images.std.begin(), images.std.end());
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

void add(std::vector<ImportGroup>& groups, const std::string& name, const SafetensorsEntry& entry, bool other_encoder) {
  auto group = std::ranges::find(groups, name, &ImportGroup::name);
  if (group == groups.end())
    group = groups.insert(groups.end(), ImportGroup{.name = name, .types = {}, .other_encoder = other_encoder});
  std::int64_t numbers = 1;
  for (const std::int64_t size : entry.sizes) numbers *= size;
  ++group->tensors;
  group->numbers += numbers;
  if (group->types.find(entry.type) == std::string::npos) group->types += (group->types.empty() ? "" : " ") + entry.type;
}

void sort_into_groups(const SafetensorsReader& reader, const FoundEncoder& found, const LoadReport& loaded,
                      ImportReport& report) {
  const std::set<std::string> left_out(loaded.left_out.begin(), loaded.left_out.end());
  std::vector<const SafetensorsEntry*> entries;
  for (const SafetensorsEntry& entry : reader.entries()) entries.push_back(&entry);
  std::ranges::sort(entries, {}, &SafetensorsEntry::name);
  for (const SafetensorsEntry* entry : entries) {
    const std::string& name = entry->name;
    if (!left_out.contains(name)) {
      const std::string behind = name.substr(found.prefix.size());
      const auto renamed = found.renamed.find(behind);
      add(report.taken, first_component(renamed == found.renamed.end() ? behind : renamed->second), *entry, false);
      continue;
    }
    const auto copy =
        std::ranges::find_if(found.passed_over, [&](const std::string& p) { return !p.empty() && name.starts_with(p); });
    if (copy == found.passed_over.end()) add(report.left_out, owner_of(name), *entry, false);
    else add(report.left_out, copy->substr(0, copy->size() - 1), *entry, true);
  }
}

}  // namespace

ImportReport import_encoder(const std::filesystem::path& from, const std::filesystem::path& to, const ImportOptions& options) {
  std::error_code ignored;
  check<ValueError>(!std::filesystem::equivalent(from, to, ignored), "import: ", printable(to.string()),
                    " is the file to import; write the encoder to another one");
  check<IoError>(!std::filesystem::is_directory(to, ignored), printable(to.string()),
                 " is a folder; give the encoder's file a name: ", printable((to / "encoder.safetensors").string()));
  const SafetensorsReader reader(from);
  const FoundEncoder found = find_encoder(reader, options.prefix);
  ImportReport report{.info = {}, .prefix = found.prefix, .taken = {}, .left_out = {}};
  set_info(found, reader, options, report);
  ResNet encoder(found.config, make_cpu_device());
  const LoadReport loaded = load_weights(from, encoder, {.prefix = found.prefix, .renamed = found.renamed});
  sort_into_groups(reader, found, loaded, report);
  save_weights(to, encoder, to_metadata(report.info));
  return report;
}

}  // namespace mec
