// What the subcommands of `mec coding` share; each has its own file, cli/coding/<name>.cpp.
#pragma once

#include <nlohmann/json.hpp>

#include "mec/cli/options.h"
#include "mec/ssl/losses/length.h"

namespace mec::cli {

struct SetOptions {
  std::string z;
  bool raw = false;
  DeviceOptions device;
};
void add_set_options(Command command, SetOptions& options);  // --z, --raw, --device, …

// The vectors of a file as f64, so that many digits of the results are right. DtypeError,
// ShapeError or ValueError, naming the file.
Tensor read_vectors(const std::string& path, const Device& device);

struct UnitOptions {
  bool bits = false;
  double of(double nats) const { return bits ? nats * kBitsPerNat : nats; }
  const char* name() const { return bits ? "bits" : "nats"; }
};
void add_unit_option(Command command, UnitOptions& options);  // --bits

void print_line(
    const nlohmann::ordered_json& line);  // NumericalError for a number that is not finite

void add_coding_length(Command coding);
void add_coding_mixture(Command coding);
void add_coding_kl(Command coding);
void add_coding_packing(Command coding);
void add_coding_simplicity(Command coding);

}  // namespace mec::cli
