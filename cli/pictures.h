// Where a command's table and pictures go.
#pragma once

#include <filesystem>
#include <string>

namespace mec::cli {

// Makes the folder where it is missing. IoError when that fails.
std::filesystem::path make_output_folder(const std::string& path);

// Draws with gnuplot and prints one line: which files there are, or how to draw them elsewhere.
void draw_pictures(const std::string& script, const std::filesystem::path& folder, const std::string& name);

}  // namespace mec::cli
