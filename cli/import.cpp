#include <algorithm>
#include <iostream>
#include <span>

#include "mec/cli/commands.h"
#include "mec/cli/encoder_source.h"
#include "mec/data/formats/open_dataset.h"
#include "mec/ssl/run/import_encoder.h"
#include "mec/tensor/text.h"

namespace mec::cli {

namespace {

constexpr std::size_t kMostGroups = 20;  // lines of a table

struct ImportCommand {
  std::string source, out;
  std::optional<std::string> prefix, normalization;
  std::optional<std::int64_t> size;
  std::vector<double> mean, std;
};

std::optional<PixelStatistics> normalization_of(const ImportCommand& options) {
  if (options.normalization) return statistics_of(normalization_preset(*options.normalization));
  if (options.mean.empty()) return std::nullopt;
  return PixelStatistics{.mean = options.mean, .std = options.std};
}

std::string padded(const std::string& text, std::size_t width) {
  return text + std::string(width > text.size() ? width - text.size() : 0, ' ');
}

std::span<const ImportGroup> shown(const std::vector<ImportGroup>& groups) {
  return std::span(groups).first(std::min(groups.size(), kMostGroups));
}

void print_groups(const char* heading, const std::vector<ImportGroup>& groups, std::size_t width) {
  if (groups.empty()) return;
  std::cout << padded(heading, width) << "  tensors      numbers  type\n";
  for (const ImportGroup& group : shown(groups)) {
    const std::string tensors = std::to_string(group.tensors), numbers = std::to_string(group.numbers);
    std::cout << padded(printable(group.name), width) << "  " << std::string(7 - std::min<std::size_t>(7, tensors.size()), ' ')
              << tensors << "  " << std::string(11 - std::min<std::size_t>(11, numbers.size()), ' ') << numbers << "  "
              << group.types << (group.other_encoder ? "  (another encoder: --prefix takes it)" : "") << "\n";
  }
  if (groups.size() > kMostGroups) std::cout << "and " << groups.size() - kMostGroups << " more\n";
}

void run_import(const ImportCommand& options) {
  const ImportReport report =
      import_encoder(options.source, options.out,
                     {.prefix = options.prefix, .image_size = options.size, .normalization = normalization_of(options)});
  std::size_t width = 8;
  for (const auto* groups : {&report.taken, &report.left_out}) {
    for (const ImportGroup& group : shown(*groups))
      width = std::max(width, printable(group.name).size());
  }
  print_groups("taken", report.taken, width);
  print_groups("left out", report.left_out, width);
  if (!report.prefix.empty()) std::cout << "taken off the names: " << printable(report.prefix) << "\n";
  const WeightsInfo& info = report.info;
  std::cout << "wrote " << printable(options.out) << ", in f32: " << info.encoder.arch << ", " << name_of(info.encoder.stem)
            << " stem, width " << info.encoder.width << ", " << info.encoder.in_channels
            << (info.encoder.in_channels == 1 ? " channel" : " channels") << "\n  image size " << info.image_size
            << (report.assumed_size ? " (assumed: --size says another)" : "");
  std::cout << "\n  " << describe_normalization(info)
            << (report.assumed_normalization ? " (assumed: ImageNet's; --normalization, or --mean and --std, say others)" : "")
            << "\n";
  if (report.assumed_layers) {
    std::cout << "  strides and pools as in " << (info.encoder.arch.ends_with('d') ? "timm" : "torchvision")
              << ", epsilon 1e-5 (assumed; the file does not say)\n";
  }
}

}  // namespace

void add_import(Command program) {
  const auto options = std::make_shared<ImportCommand>();
  Command command = program.add_subcommand("import", "An encoder out of weights that another library wrote");
  command.add_option("source", options->source, "Weights of a ResNet (.safetensors)").required();
  command.add_option("--out", options->out, "The encoder (.safetensors), for mec embed, eval and the rest").required();
  command.add_option("--prefix", options->prefix,
                     "What stands before the encoder's names, such as teacher.backbone.; default: found");
  command.add_option("--size", options->size, "Of its images, pixels on a side; default: 224, or 32 with a stem of 3x3")
      .between(1, kMaxImageSize);
  const Option preset = command.add_option("--normalization", options->normalization,
                                           concat("Of its images: ", normalization_presets(), " (default)"));
  Option mean = command.add_option("--mean", options->mean, "Of each channel, of pixels in [0, 1]").list().excludes(preset);
  const Option std = command.add_option("--std", options->std, "Of each channel").list().excludes(preset).needs(mean);
  mean.needs(std);
  command.run([options] { run_import(*options); });
}

}  // namespace mec::cli
