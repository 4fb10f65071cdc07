// Settings as TOML text, and from the command line.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "mec/ssl/settings.h"

namespace mec {

inline constexpr const char* kSettingsFile = "settings.toml";  // in a run's folder

// The defaults of the method that the file names, changed by the file. IoError when it cannot be
// read; ValueError, naming the file (and line where TOML itself is broken), for wrong settings,
// including those that the method does not use.
PretrainSettings read_settings(const std::filesystem::path& path);
// As if the file named that method. Settings that only other methods use are checked and left out,
// so that one file serves several methods.
PretrainSettings read_settings(const std::filesystem::path& path, const std::string& method);
// Of a run's folder, where earlier versions wrote the settings of other methods too: they are left
// out.
PretrainSettings read_run_settings(const std::filesystem::path& folder);
// Of a file's text. Errors begin with `name` where those of a file begin with its path.
PretrainSettings parse_settings(const std::string& text, const std::string& name);

// Each "section.key=value", the value as in TOML; a text may go without quotes. As in a file their
// order does not matter, but the last of one key counts. ValueError without '=', and as above.
// "method=…" takes that method's default settings, whatever a file said about them.
void apply_assignments(PretrainSettings& settings, const std::vector<std::string>& assignments);

// Makes data.path, data.list and model.weights absolute, so that the run is evaluated from
// anywhere. ValueError where data.path is missing, or one of them is not UTF-8.
void complete_paths(PretrainSettings& settings);

// Every setting's name and its value as in TOML, the method first.
std::vector<std::pair<std::string, std::string>> list_settings(const PretrainSettings& settings);

// All settings, complete: reading the text gives the same settings back.
std::string write_settings(const PretrainSettings& settings);

}  // namespace mec
