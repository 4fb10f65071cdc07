#include "mec/cli/pictures.h"

#include <iostream>

#include "mec/cli/text.h"
#include "mec/eval/plot.h"

namespace mec::cli {

std::filesystem::path make_output_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  check<IoError>(!error, path, ": the output folder cannot be made: ", error.message());
  return path;
}

void draw_pictures(const std::string& script, const std::filesystem::path& folder, const std::string& name) {
  const std::string base = printable((folder / name).string());
  if (draw(script, folder, name)) std::cout << "wrote " << base << ".csv, .gp, .png and .svg\n";
  else
    std::cout << "wrote " << base << ".csv and .gp; gnuplot is not installed: `gnuplot " << name
              << ".gp` in that folder draws it\n";
}

}  // namespace mec::cli
