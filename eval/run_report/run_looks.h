// What a report shows of a run's images: their views, and what its encoder makes of them.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "mec/eval/features.h"
#include "mec/eval/run_report/report_data.h"
#include "mec/ssl/settings.h"

namespace mec::report {

struct LookOptions {
  Device device;
  Dtype dtype = Dtype::f32;  // that images enter the encoder as
  StreamOptions stream = {};
  // Opens a split of the run's images in so many channels; 0: as in the files.
  std::function<DatasetPtr(const PretrainSettings& settings, Split split, std::int64_t channels)> open;
  // Opens the images that the run was trained on, all of them and in training's order.
  std::function<DatasetPtr(const PretrainSettings& settings)> open_trained;
  std::int64_t points = 1000;  // of the plane
  ReportOptions scores = {};
  std::function<void(const std::string& line)> log = [](const std::string&) {};
};

// Fills in views, neighbours, plane, table and confusion, as far as there are images, an encoder,
// labels and a test split; report.missing says what is left out, and why.
void look_at_images(const std::filesystem::path& run, const PretrainSettings& settings, const LookOptions& options,
                    RunReport& report);

}  // namespace mec::report
