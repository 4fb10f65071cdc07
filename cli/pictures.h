// Where a command's table and pictures go, and what runs are called there.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace mec::cli {

// Makes the folder where it is missing. IoError when that fails.
std::filesystem::path make_output_folder(const std::string& path);

// Draws with gnuplot and prints one line: which files there are, or how to draw them elsewhere.
void draw_pictures(const std::string& script, const std::filesystem::path& folder, const std::string& name);

// What runs (folders or weights files) are called in tables and pictures: the last part of each
// path, or all of it where two would be called the same.
std::vector<std::string> names_of_runs(const std::vector<std::string>& paths);

}  // namespace mec::cli
