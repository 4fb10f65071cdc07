// Where tables and pictures are written, and the names of runs in them.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

namespace mec::cli {

// Makes the folder where it is missing. IoError when that fails.
std::filesystem::path make_output_folder(const std::string& path);

// IoError where the file could not be written, before the work whose result it is to hold. Leaves
// nothing behind, also where that work is killed.
void check_writable(const std::string& path);

// ValueError where the output is the input, or lies in it, where that is a folder (a run's), under
// a name without that ending: it could be a file of the run.
void check_keeps(const std::string& out, const std::filesystem::path& input, const std::string& ending);

// Where messages go beside a result in that file: standard output, or, where the file is that,
// stderr.
std::ostream& messages_beside(const std::string& path);

// A share as tables have it: "83.20 %".
std::string percent(double share);

// Draws with gnuplot and prints one line: which files there are, or how to draw them elsewhere.
void draw_pictures(const std::string& script, const std::filesystem::path& folder, const std::string& name);

// Names of runs (folders or weights files) in tables and pictures: the last part of each path, or
// the whole path where two would have the same name.
std::vector<std::string> names_of_runs(const std::vector<std::string>& paths);

}  // namespace mec::cli
