// A comparison in files: all of it, and what was taken for what as a table and a picture.
#pragma once

#include <filesystem>
#include <string>

#include "mec/eval/plot.h"
#include "mec/transfer/comparison.h"

namespace mec {

inline constexpr const char* kResultsFile = "results.json";
inline constexpr const char* kConfusionName = "confusion";

// One JSON object.
std::string results_json(const Comparison& comparison);
// What a class was taken for, as shares of its images.
Heatmap confusion_picture(const Classification& scores);
// results.json and confusion.csv. IoError.
void write_results(const std::filesystem::path& folder, const Comparison& comparison);

}  // namespace mec
