#include "mec/cli/coding/coding.h"

#include <cmath>
#include <iostream>

#include "mec/cli/commands.h"
#include "mec/eval/features.h"
#include "mec/tensor/io/npy.h"

namespace mec::cli {

void add_set_options(Command command, SetOptions& options) {
  command.add_option("--z", options.z, "Vectors (m,d), .npy, f32 or f64; rows are scaled to unit length").required();
  command.add_flag("--raw", options.raw, "Take the rows as they are");
  add_device_options(command, options.device);
}

Tensor read_vectors(const std::string& path, const Device& device) {
  const Tensor x = read_npy(path, device);
  check<DtypeError>(is_floating(x.dtype()), path, ": vectors are f32 or f64, but the array is ", x.dtype());
  check<ShapeError>(x.rank() == 2 && x.numel() > 0, path, ": vectors are the rows of a matrix (m,d), but the array is ",
                    x.shape());
  check_finite(x, path);
  return x.to(Dtype::f64);
}

void add_unit_option(Command command, UnitOptions& options) {
  command.add_flag("--bits", options.bits, "Lengths in bits instead of nats");
}

void print_line(const nlohmann::ordered_json& line) {
  const nlohmann::ordered_json flat = line.flatten();  // "/norms/0" and its like
  for (const auto& [name, value] : flat.items()) {
    if (!value.is_number_float()) continue;
    const auto number = value.get<double>();
    check<NumericalError>(
        std::isfinite(number), "coding: ", name.substr(1), " is ", number,
        ", which JSON cannot represent: a value or an option is too large or too small");
  }
  std::cout << line.dump() << "\n";
}

void add_coding(Command program) {
  Command coding = program.add_subcommand("coding", "Coding lengths, divergences and packing of sets of vectors in files");
  coding.require_subcommand();
  for (const auto add : {add_coding_length, add_coding_mixture, add_coding_kl, add_coding_packing, add_coding_simplicity}) {
    add(coding);
  }
}

}  // namespace mec::cli
