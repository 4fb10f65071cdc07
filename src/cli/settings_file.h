// Settings as TOML text, and from the command line.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "mec/ssl/settings.h"

namespace mec::cli {

// The defaults of the method that the file names, changed by the file. IoError when it cannot be read; ValueError, naming the file (and line where TOML itself is
// broken), for what it says wrongly. With `method` as if the file named that one.
PretrainSettings read_settings(const std::filesystem::path& path, const std::string& method = "");

// "section.key=value", the value as in TOML; a text may go without quotes. UsageError without '=', ValueError as above. "method=…" takes that
// method's published settings, whatever a file said about them.
void apply_assignment(PretrainSettings& settings, const std::string& assignment);

// Makes data.path absolute, so that the run is evaluated from anywhere. ValueError where it is
// missing, or not UTF-8.
void complete_data_path(PretrainSettings& settings);

// Every setting's name and its value as in TOML, the method first.
std::vector<std::pair<std::string, std::string>> list_settings(const PretrainSettings& settings);

// All settings, complete: reading the text gives the same settings back.
std::string write_settings(const PretrainSettings& settings);

}  // namespace mec::cli
