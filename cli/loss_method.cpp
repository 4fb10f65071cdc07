// `mec loss NAME` for every method of the table except mec, which has options and output of its own
// (loss.cpp).
#include <algorithm>
#include <iostream>

#include <nlohmann/json.hpp>

#include "mec/cli/commands.h"
#include "mec/cli/embedding_files.h"
#include "mec/cli/options.h"
#include "mec/ssl/methods/pair_loss.h"

namespace mec::cli {

namespace {

struct MethodLossOptions {
  EmbeddingPaths paths;
  std::string queue;
  PretrainSettings settings;  // the method's numbers are bound to options
  DeviceOptions device;
};

void run_method_loss(const MethodLossOptions& options) {
  const Device device = options.device.make();
  const EmbeddingPair pair = read_pair(options.paths, device);
  const Tensor& p = pair.p.values;
  Tensor queue;
  if (find_method(options.settings.method).pair_reads_queue) {
    queue = read_embeddings(options.queue, device).values;
    check<ShapeError>(queue.dim(1) == p.dim(1) && queue.dim(0) > 0, options.queue, " is ", queue.shape(), ", but must be (L,",
                      p.dim(1), ") like the embeddings, and not empty");
  }
  PairLoss loss(options.settings);
  const PairLoss::Value value =
      loss(p, pair.z.values, queue, {.dp = !options.paths.grad_p.empty(), .dz = !options.paths.grad_z.empty()});
  write_gradients(options.paths, pair, value.dp, value.dz);
  nlohmann::ordered_json out;
  for (const auto& [name, metric] : value.metrics) out[name] = metric;
  out["m"] = p.dim(0);
  out["d"] = p.dim(1);
  std::cout << out.dump() << "\n";
}

}  // namespace

void add_method_losses(Command loss) {
  for (const Method& method : methods()) {
    if (method.name == "mec") continue;
    const auto options = std::make_shared<MethodLossOptions>();
    choose_method(options->settings, method.name);
    Command command = loss.add_subcommand(method.name, method.title);
    command.add_option("--p", options->paths.p, method.rows + " of a view (m,d), .npy, f32 or f64").required();
    command.add_option("--z", options->paths.z, "Those of another view or the teacher, the same size").required();
    for (const MethodSetting& number : method.settings) {
      if (!number.of_pair) continue;
      std::string flag = "--" + number.name;
      std::ranges::replace(flag, '_', '-');
      command.add_option(flag, options->settings.method_settings.at(number.name), number.help)
          .between(number.low, number.high)
          .show_default();
    }
    if (method.pair_reads_queue) {
      command.add_option("--queue", options->queue, "Keys of earlier batches (L,d), .npy; rows are normalised").required();
    }
    command.add_option("--grad-p", options->paths.grad_p, "Write the gradient of P here, .npy");
    command.add_option("--grad-z", options->paths.grad_z, "Write the gradient of Z here, .npy");
    add_device_options(command, options->device);
    command.run([options] { run_method_loss(*options); });
  }
}

}  // namespace mec::cli
