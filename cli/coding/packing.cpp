// mec coding packing
#include <cmath>
#include <sstream>

#include "mec/cli/coding/coding.h"
#include "mec/cli/program.h"
#include "mec/ssl/losses/packing.h"
#include "mec/tensor/io/atomic_file.h"
#include "mec/tensor/ops.h"

namespace mec::cli {

namespace {

struct PackingCommand {
  std::string z;
  std::vector<double> eps2{0.1, 0.25, 0.5, 1, 2};
  std::string figure;
  bool raw = false;
  UnitOptions unit;
  DeviceOptions device;
};

// x, y, radius: 0 for a vector, ε for a centre, so that one file draws points and balls.
void write_figure(const std::string& path, const Tensor& z, double eps2) {
  const auto values = z.to_vector<double>();
  std::vector<double> radius(values.size() / 2, 0.0);
  for (const std::int64_t centre : epsilon_net(z, eps2)) radius[static_cast<std::size_t>(centre)] = std::sqrt(eps2);
  std::ostringstream text;
  text.precision(9);
  text << "x,y,radius\n";
  for (std::size_t i = 0; i < radius.size(); ++i) text << values[2 * i] << ',' << values[2 * i + 1] << ',' << radius[i] << '\n';
  replace_file(path, text.str());
}

nlohmann::ordered_json packing_line(const Packing& at, const UnitOptions& unit) {
  nlohmann::ordered_json line{{"eps2", at.eps2}, {"net", at.net}, {"rate", unit.of(at.log_packing)}};
  const double number = std::exp(at.log_packing);
  if (std::isfinite(number)) line["packing_number"] = number;  // JSON has no infinity
  return line;
}

void run_packing(const PackingCommand& options) {
  if (options.raw && options.figure.empty()) throw UsageError("--raw is for --figure: packing is counted on the sphere");
  if (!options.figure.empty() && options.eps2.size() != 1) {
    throw UsageError(concat("--figure draws one radius, but --eps2 has ", options.eps2.size(), " values"));
  }
  const Device device = options.device.make();
  const Tensor z = read_vectors(options.z, device);
  nlohmann::ordered_json line;
  if (options.raw) {
    line["eps2"] = options.eps2[0];
    line["net"] = epsilon_net(z, options.eps2[0]).size();
  } else {
    line["packing"] = nlohmann::ordered_json::array();
    for (const Packing& at : sphere_packing(z, options.eps2)) line["packing"].push_back(packing_line(at, options.unit));
    line["unit"] = options.unit.name();
  }
  line["m"] = z.dim(0);
  line["d"] = z.dim(1);
  if (!options.figure.empty()) {
    check<ShapeError>(z.dim(1) == 2, options.z, ": the figure is of the plane, vectors (m,2), but the array is ", z.shape());
    write_figure(options.figure, options.raw ? z : normalize_rows(z).y, options.eps2[0]);
  }
  print_line(line);
}

}  // namespace

void add_coding_packing(Command coding) {
  const auto options = std::make_shared<PackingCommand>();
  Command command =
      coding.add_subcommand("packing", "How many balls of radius ε the unit vectors fill: counted, and by volume");
  command.add_option("--z", options->z, "Vectors (m,d), .npy, f32 or f64; rows are scaled to unit length").required();
  command.add_option("--eps2", options->eps2, "Squared radii between 0 and 4, with commas").list().show_default();
  command.add_option("--figure", options->figure, "For d = 2 and one radius: points, centres and balls as CSV for gnuplot");
  command.add_flag("--raw", options->raw, "For --figure: points of the plane as they are, any radius");
  add_unit_option(command, options->unit);
  add_device_options(command, options->device);
  command.run([options] { run_packing(*options); });
}

}  // namespace mec::cli
