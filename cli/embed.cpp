#include <iostream>

#include "mec/cli/commands.h"
#include "mec/cli/encoder_source.h"
#include "mec/cli/image_file.h"
#include "mec/cli/pictures.h"
#include "mec/cli/program.h"
#include "mec/cli/ranks.h"
#include "mec/eval/features.h"
#include "mec/tensor/io/npy.h"
#include "mec/tensor/text.h"

namespace mec::cli {

namespace {

struct EmbedCommand {
  EncoderOptions encoder;
  DataOptions data;
  std::string split = "test";
  std::string images;
  std::string out;
  DeviceOptions device;
  std::string precision = "f32";
};

void run_embed(const EmbedCommand& options, const CommunicatorPtr& ranks) {
  if (!options.images.empty() && options.data.path) throw UsageError("--data and --images exclude each other");
  const EncoderSource source(options.encoder);
  const Device device = options.device.make();
  const Dtype dtype = parse_precision(options.precision, device);
  const StreamOptions stream = options.data.stream(ranks);

  ImageFile file;
  ImageStream images;
  if (options.images.empty()) {
    images = source.stream(source.open_data(options.data, parse_split(options.split)), device, stream);
  } else {
    file = read_images(options.images, source);
    images = stream_file(file, source, options.images, device, stream);
  }
  const std::vector<std::string> facts{concat("images = ", images.size), concat("batch = ", stream.batch),
                                       concat("precision = ", options.precision),
                                       concat("arithmetic = ", options.device.arithmetic())};
  const Tensor features = embed(source.load(device, facts, *ranks), images, dtype).x;
  if (ranks->rank() > 0) return;
  write_npy(options.out, features);
  messages_beside(options.out) << "wrote " << printable(options.out) << ": " << features.shape() << " " << features.dtype()
                               << "\n";
}

}  // namespace

void add_embed(Command program) {
  const auto options = std::make_shared<EmbedCommand>();
  Command command = program.add_subcommand("embed", "Features of images, as an .npy file");
  add_encoder_options(command, options->encoder);
  add_data_options(command, options->data);
  command.add_option("--split", options->split, "train or test").one_of({"train", "test"}).show_default();
  command.add_option("--images", options->images,
                     "Instead of a data set, .npy (N,H,W,C): u8, or f32 that are normalised already");
  command.add_option("--out", options->out, "Features (N,d), f32, .npy").required();
  add_precision_option(command, options->precision);
  add_device_options(command, options->device);
  command.run_in_each(
      [options] { run_in_ranks(options->device, [&](const CommunicatorPtr& ranks) { run_embed(*options, ranks); }); });
}

}  // namespace mec::cli
