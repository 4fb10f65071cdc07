#include <algorithm>
#include <fstream>
#include <iostream>

#include "mec/cli/build_text.h"
#include "mec/cli/commands.h"
#include "mec/cli/options.h"
#include "mec/cli/places.h"
#include "mec/cli/ranks.h"
#include "mec/ssl/run/run_directory.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/io/input_file.h"
#include "mec/tensor/io/safetensors.h"
#include "mec/tensor/text.h"

namespace mec::cli {

namespace {

// A file's last line that begins so, "" when it has none.
std::string last_line(const std::filesystem::path& path, const std::string& begin) {
  std::ifstream file(path);
  std::string last;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(begin)) last = line;
  }
  return last;
}

// Prints metadata and tensors of a weights file, from its header alone.
void print_weights(const std::filesystem::path& path) {
  const SafetensorsReader reader(path);
  for (const auto& [key, value] : reader.metadata()) std::cout << printable(key) << ": " << printable(value) << "\n";
  std::size_t widest = 0;
  for (const SafetensorsEntry& entry : reader.entries()) widest = std::max(widest, printable(entry.name).size());
  std::cout << "tensors: " << reader.entries().size() << "\n";
  for (const SafetensorsEntry& entry : reader.entries()) {
    const std::string name = printable(entry.name);
    std::cout << name << std::string(widest - name.size() + 2, ' ') << entry.type << "  " << shape_text(entry) << "\n";
  }
}

void print_run(const std::filesystem::path& path) {
  check<IoError>(std::filesystem::is_regular_file(path / kSettingsFile), path.string(), ": not the folder of a run, it has no ",
                 kSettingsFile);
  const auto settings = read_file(path / kSettingsFile);
  std::cout << "settings (" << kSettingsFile << ")\n" << std::string(settings.begin(), settings.end());
  for (const char* file : {kEncoderFile, kBestEncoderFile}) {
    if (!std::filesystem::exists(path / file)) continue;
    std::cout << "\nweights (" << file << ")\n";
    for (const auto& [key, value] : read_safetensors_metadata(path / file)) {
      std::cout << printable(key) << ": " << printable(value) << "\n";
    }
  }
  for (const auto& [what, begin] : {std::pair("last step", "{\"step\":"), std::pair("last scores", "{\"epoch\":")}) {
    const std::string line = last_line(path / kMetricsFile, begin);
    if (!line.empty()) std::cout << "\n" << what << " (" << kMetricsFile << ")\n" << line << "\n";
  }
}

// A line for each rank, where there are several.
void print_places(const DeviceOptions& device, Communicator& ranks) {
  if (ranks.size() == 1) return;
  std::string lines;
  for (const std::string& line : describe_places(device, ranks)) lines += line + "\n";
  if (ranks.rank() == 0) std::cout << lines;
}

void print_info(const std::string& path, const DeviceOptions& device, Communicator& ranks) {
  const bool leads = ranks.rank() == 0;
  if (path.empty()) {
    if (leads) std::cout << build_text();
    print_places(device, ranks);
  } else if (leads) {
    if (std::filesystem::is_regular_file(path)) print_weights(path);
    else print_run(path);
  }
}

}  // namespace

void add_info(Command program) {
  const auto path = std::make_shared<std::string>();
  Command command = program.add_subcommand("info", "What this build has, or what a run's folder or a weights file holds");
  command.add_option("dir", *path, "Folder of a run, or a weights file (.safetensors)");
  command.run_in_each([path] {
    DeviceOptions device;
    if (!describe_cuda().devices.empty()) device.device = "cuda";
    run_in_ranks(device, [&](const CommunicatorPtr& ranks) { print_info(*path, device, *ranks); });
  });
}

}  // namespace mec::cli
