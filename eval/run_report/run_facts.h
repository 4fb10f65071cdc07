// What a run is: its settings beside the defaults, and what its folder says of it.
#pragma once

#include <filesystem>
#include <vector>

#include "mec/eval/run_report/report_data.h"
#include "mec/eval/run_report/run_curves.h"
#include "mec/ssl/settings.h"

namespace mec::report {

std::vector<SettingLine> list_settings_beside_defaults(const PretrainSettings& settings);

// Method, network, data, length, how far it came, on what, how fast, what it went on with.
std::vector<Fact> facts_of(const std::filesystem::path& run, const PretrainSettings& settings, const RunCurves& curves);

// How many images training has; 0 where no checkpoint says so.
std::int64_t images_of_training(const std::filesystem::path& run);

}  // namespace mec::report
