#include <iostream>

#include "mec/cli/build_text.h"
#include "mec/cli/commands.h"
#include "mec/cli/data_source.h"
#include "mec/cli/note.h"
#include "mec/cli/pictures.h"
#include "mec/eval/run_report/run_report.h"
#include "mec/ssl/run/training_images.h"
#include "mec/tensor/io/atomic_file.h"
#include "mec/tensor/text.h"

namespace mec::cli {

namespace {

struct ReportCommand {
  std::vector<std::string> runs;
  std::string out;
  DataOptions data{.limit = 10000};
  std::int64_t points = 1000;
  bool images = true;
  DeviceOptions device;
  std::string precision = "f32";
};

report::LookOptions look_options(const ReportCommand& options, const Device& device) {
  return {.device = device,
          .dtype = parse_precision(options.precision, device),
          .stream = options.data.stream(),
          .open = [&options](const PretrainSettings& settings, Split split,
                             std::int64_t channels) { return open_data(options.data, settings, split, channels); },
          .open_trained =
              [&options](PretrainSettings settings) {
                DataSettings& data = settings.data;
                data.kind = options.data.kind.value_or(options.data.path ? "auto" : data.kind);
                data.path = options.data.path.value_or(data.path);
                data.exif_orientation = data.exif_orientation || options.data.exif_orientation;
                return open_training_images(settings, note_once).train;
              },
          .points = options.points};
}

void run_report(const ReportCommand& options) {
  const std::vector<std::filesystem::path> runs(options.runs.begin(), options.runs.end());
  report::check_runs(runs);
  std::ostream& log = messages_beside(options.out);
  for (const std::string& run : options.runs) check_keeps(options.out, run, ".html");
  check_writable(options.out);
  report::LookOptions looks = look_options(options, options.device.make());
  const std::vector<std::string> names = names_of_runs(options.runs);
  report::Report all{.runs = {}, .machine = build_text()};
  for (std::size_t i = 0; i < runs.size(); ++i) {
    looks.log = [&](const std::string& line) { log << printable(names[i]) << ": " << line << std::endl; };
    all.runs.push_back(report::report_run(runs[i], names[i], options.images ? &looks : nullptr));
    for (const std::string& line : all.runs.back().missing) note(printable(concat(names[i], ": left out: ", line)));
  }
  const std::string page = report::make_page(all);
  replace_file(options.out, page);
  if (!report::draws_curves()) {
    note(
        "the curves are tables: this build has no dygraphs, which draws them; install Debian's libjs-dygraphs and build again");
  }
  log << "wrote " << printable(options.out) << ": " << (page.size() + 999) / 1000 << " kB" << std::endl;
}

}  // namespace

void add_report(Command program) {
  const auto options = std::make_shared<ReportCommand>();
  Command command = program.add_subcommand("report", "One HTML file about a run, or about several beside each other");
  command.add_option("runs", options->runs, "Folders of runs").required();
  command.add_option("-o,--out", options->out, "The report (HTML)").required();
  add_data_options(command, options->data);
  command.remove_option("--limit");
  command.add_option("--limit", options->data.limit, "At most so many images of each split, spread evenly; 0: all")
      .not_negative()
      .show_default();
  command.add_option("--points", options->points, "Of the t-SNE plane; time and memory grow with the square")
      .between(10, 20000)
      .show_default();
  command.add_flag("!--no-images", options->images, "Leave out all that reads images: seconds instead of minutes");
  add_precision_option(command, options->precision);
  add_device_options(command, options->device);
  command.run([options] { run_report(*options); });
}

}  // namespace mec::cli
