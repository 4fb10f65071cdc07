#include <iostream>

#include "mec/cli/commands.h"
#include "mec/cli/encoder_source.h"
#include "mec/cli/image_file.h"
#include "mec/cli/pictures.h"
#include "mec/cli/program.h"
#include "mec/data/formats/open_dataset.h"
#include "mec/tensor/text.h"
#include "mec/transfer/predictions.h"

namespace mec::cli {

namespace {

struct PredictOptions {
  EncoderOptions encoder;
  DataOptions data;
  std::optional<std::string> split;
  std::string images;
  std::string out;
  DeviceOptions device;
  std::string precision = "f32";
};

bool is_array(const std::string& path) { return std::filesystem::path(path).extension() == ".npy"; }

std::vector<std::string> names_of(const Dataset& dataset) {
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < dataset.size(); ++i) names.push_back(dataset.name(i));
  return names;
}

std::vector<std::string> numbers(std::int64_t count) {
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < count; ++i) names.push_back(concat("image ", i));
  return names;
}

// Of a folder that has one split alone, as plain images make it, that one.
DatasetPtr open_images(const PredictOptions& options, const EncoderSource& source) {
  if (options.images.empty() && !source.settings())
    throw UsageError("--images is needed: a weights file does not say which images to look at");
  check<IoError>(options.images.empty() || std::filesystem::exists(options.images), printable(options.images),
                 ": there is no such folder or file");
  check<IoError>(options.images.empty() || std::filesystem::is_directory(options.images), printable(options.images),
                 ": images are a folder, or an .npy file");
  DataOptions data = options.data;
  if (!options.images.empty()) data.path = options.images;
  if (options.split) return source.open_data(data, parse_split(*options.split));
  try {
    return source.open_data(data, Split::test);
  } catch (const MissingSplit&) {
    if (options.images.empty()) throw;
    return source.open_data(data, Split::train);
  }
}

void run_predict(const PredictOptions& options) {
  check_predictions_path(options.out);
  check_writable(options.out);
  const EncoderSource source(options.encoder);
  const Device device = options.device.make();
  const Dtype dtype = parse_precision(options.precision, device);
  const Classifier classifier = source.load_classifier(device);
  const StreamOptions how = options.data.stream(one_process());

  ImageFile file;
  ImageStream images;
  std::vector<std::string> names;
  if (is_array(options.images)) {
    file = read_images(options.images, source);
    images = stream_file(file, source, options.images, device, how);
    names = numbers(images.size);
  } else {
    const DatasetPtr dataset = open_images(options, source);
    images = source.stream(dataset, device, how);
    names = names_of(*dataset);
  }
  write_predictions(options.out, predict(classifier, source.info().classes, images, std::move(names), dtype));
  std::cout << "wrote " << printable(options.out) << ": " << counted(images.size, "image") << ", "
            << source.info().classes.size() << " classes, by " << printable(source.weights().string()) << "\n";
}

}  // namespace

void add_predict(Command program) {
  const auto options = std::make_shared<PredictOptions>();
  Command command =
      program.add_subcommand("predict", "Classes of images and their probabilities, by a network with a classifier");
  add_encoder_options(command, options->encoder);
  command.add_option(
      "--images", options->images,
      "Folder of a data set, or .npy (N,H,W,C): u8, or f32 that are normalised already; default: the run's data set");
  command.add_option("--split", options->split, "Of a data set: train or test. Default: test, or what there is")
      .one_of({"train", "test"});
  command.add_option("--out", options->out, "A file that ends in .csv, .json or .npy").required();
  command.add_option("--kind", options->data.kind, data_kinds());
  command.add_option("--limit", options->data.limit, "At most so many images, spread evenly; 0: all").not_negative();
  command.add_option("--workers", options->data.workers, "Threads that read images").between(0, 1024).show_default();
  command.add_option("--batch", options->data.batch, "Images at a time").positive().show_default();
  add_precision_option(command, options->precision);
  add_device_options(command, options->device);
  command.run([options] { run_predict(*options); });
}

}  // namespace mec::cli
