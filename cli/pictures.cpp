#include "mec/cli/pictures.h"

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "mec/eval/plot.h"
#include "mec/tensor/io/atomic_file.h"
#include "mec/tensor/io/output_path.h"
#include "mec/tensor/text.h"

namespace mec::cli {

std::filesystem::path make_output_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  check<IoError>(!error, path, ": the output folder cannot be made: ", error.message());
  return path;
}

void check_keeps(const std::string& out, const std::filesystem::path& input, const std::string& ending) {
  std::error_code ignored;
  const std::filesystem::path to = std::filesystem::weakly_canonical(out, ignored);  // through links
  check<ValueError>(!is_same_file(to, input), "-o: ", printable(out),
                    " is what the command reads; give the output another name");
  const bool inside = is_same_file(to.parent_path(), input);
  check<ValueError>(!inside || to.extension() == ending, "-o: ", printable(out),
                    " is in the run's folder, where a name without ", ending,
                    " may be a file of the run; give the output another name");
}

void check_writable(const std::string& path) {
  std::error_code ignored;
  const auto status = std::filesystem::status(path, ignored);
  // A pipe can be opened but once.
  if (!std::filesystem::exists(status) || !std::filesystem::is_other(status)) const AtomicFile probe(path);
}

std::ostream& messages_beside(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::equivalent(path, "/dev/stdout", ignored) ? std::cerr : std::cout;
}

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f %%", 100 * share);
  return text;
}

void draw_pictures(const std::string& script, const std::filesystem::path& folder, const std::string& name) {
  const std::string base = printable((folder / name).string());
  if (draw(script, folder, name)) std::cout << "wrote " << base << ".csv, .gp, .png and .svg\n";
  else
    std::cout << "wrote " << base << ".csv and .gp; gnuplot is not installed: `gnuplot " << name
              << ".gp` in that folder draws it\n";
}

std::vector<std::string> names_of_runs(const std::vector<std::string>& paths) {
  std::vector<std::string> names;
  for (const std::string& text : paths) {
    const std::filesystem::path path = std::filesystem::path(text).lexically_normal();
    names.push_back((path.has_filename() ? path : path.parent_path()).filename().string());  // "run/" has no file name
  }
  const std::vector<std::string> last = names;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (std::ranges::count(last, last[i]) > 1) names[i] = paths[i];
  }
  return names;
}

}  // namespace mec::cli
