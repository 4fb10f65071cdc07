// mec coding simplicity
#include "mec/cli/coding/coding.h"
#include "mec/cli/program.h"
#include "mec/nn/files/weight_values.h"
#include "mec/ssl/losses/pair.h"
#include "mec/ssl/losses/simplicity.h"
#include "mec/tensor/io/safetensors.h"

namespace mec::cli {

namespace {

struct SimplicityCommand {
  std::string z, weights;
  double eps2 = 64;
  UnitOptions unit;
  DeviceOptions device;
};

nlohmann::ordered_json deflated_line(const Deflated& deflated) {
  return {{"values", deflated.values},
          {"deflated_bytes", deflated.deflated},
          {"bits_per_value", deflated.bits_per_value()},
          {"histogram_bits_per_value", deflated.entropy}};
}

void run_simplicity(const SimplicityCommand& options) {
  const Device device = options.device.make();
  const Tensor z = read_vectors(options.z, device);
  const double length = coding_length(z, coding_lambda(z, options.eps2), {}, false).length.item();
  nlohmann::ordered_json line{{"features", deflated_line(deflated_size({z}))}};
  if (!options.weights.empty()) {
    std::vector<Tensor> weights;
    for (const NamedTensor& entry : read_safetensors(options.weights, device).tensors) {
      check_weight_values(options.weights, entry.name, entry.tensor);
      if (is_floating(entry.tensor.dtype())) weights.push_back(entry.tensor);
    }
    check<ValueError>(!weights.empty(), options.weights, ": the file holds no floating tensor");
    line["weights"] = deflated_line(deflated_size(weights));
  }
  line["coding_length"] = options.unit.of(length);
  line["unit"] = options.unit.name();
  line["eps2"] = options.eps2;
  line["m"] = z.dim(0);
  line["d"] = z.dim(1);
  print_line(line);
}

}  // namespace

void add_coding_simplicity(Command coding) {
  const auto options = std::make_shared<SimplicityCommand>();
  Command command =
      coding.add_subcommand("simplicity", "How far features and weights in 256 steps compress, beside the coding length");
  command.add_option("--z", options->z, "Features (m,d), .npy, f32 or f64, compressed as they are").required();
  command.add_option("--weights", options->weights, "Weights of the encoder, .safetensors");
  command.add_option("--eps2", options->eps2, "Distortion of the coding length (of the rows at unit length)").show_default();
  add_unit_option(command, options->unit);
  add_device_options(command, options->device);
  command.run([options] { run_simplicity(*options); });
}

}  // namespace mec::cli
