#include "mec/eval/neighbours.h"

#include <cstdio>
#include <iostream>

#include "mec/cli/commands.h"
#include "mec/cli/encoder_source.h"
#include "mec/cli/pictures.h"
#include "mec/data/augment/view_image.h"
#include "mec/data/decoders/decode.h"
#include "mec/data/encode_image.h"
#include "mec/data/sheet.h"
#include "mec/eval/classes.h"
#include "mec/tensor/io/atomic_file.h"
#include "mec/tensor/text.h"

namespace mec::cli {

namespace {

constexpr int kTile = 128;  // pixels on a side of a picture in the sheet
constexpr std::int64_t kColumns = 10, kMostShown = 1000;

struct NeighboursCommand {
  EncoderOptions encoder;
  std::string image;
  std::int64_t k = 10;
  DataOptions data;
  std::string split = "train";
  std::string out;
  DeviceOptions device;
  std::string precision = "f32";
};

Image read_query(const NeighboursCommand& options, const EncoderSource& source) {
  const auto& settings = source.settings();
  return read_image(options.image,
                    {.channels = static_cast<int>(source.info().encoder.in_channels),
                     .exif_orientation = options.data.exif_orientation || (settings && settings->data.exif_orientation)});
}

ImageArray as_array(const Image& image) {
  return {.pixels = image.pixels.data(), .count = 1, .height = image.height, .width = image.width, .channels = image.channels};
}

void print_table(std::ostream& out, const Dataset& dataset, const Neighbours& found) {
  std::vector<std::string> classes{"class"};
  for (const std::int32_t i : found.index) classes.push_back(printable(class_of(dataset, i)));
  const bool labelled = dataset.info().has_labels;
  std::size_t widest = 0;
  for (const std::string& name : classes) widest = std::max(widest, name.size());
  const auto cell = [&](const std::string& name) { return labelled ? name + std::string(widest - name.size() + 2, ' ') : ""; };
  out << "rank  cosine  " << cell("class") << "image\n";
  for (std::size_t j = 0; j < found.index.size(); ++j) {
    char numbers[40];
    std::snprintf(numbers, sizeof numbers, "%4zu %7.4f  ", j + 1, static_cast<double>(found.cosine[j]));
    out << numbers << cell(classes[j + 1]) << printable(dataset.name(found.index[j])) << "\n";
  }
}

// The image in a row of its own, and below it its neighbours.
void write_sheet(const std::string& path, const Image& query, const Dataset& dataset, const Neighbours& found) {
  const auto columns = static_cast<std::size_t>(std::min(found.k, kColumns));
  std::vector<Image> pictures{thumbnail(query, kTile)};
  pictures.resize(columns, {.width = 1, .height = 1, .channels = 1, .pixels = {255}});
  for (const std::int32_t i : found.index) pictures.push_back(thumbnail(dataset.read(i), kTile));
  replace_file(path, encode_png(make_sheet(pictures, {.columns = static_cast<int>(columns), .side = kTile, .gap = 4})));
}

void run_neighbours(const NeighboursCommand& options) {
  const EncoderSource source(options.encoder);
  const Device device = options.device.make();
  const Dtype dtype = parse_precision(options.precision, device);
  // What is wrong with a file shows before the minutes that a large data set takes.
  const Image query = read_query(options, source);
  const DatasetPtr dataset = source.open_data(options.data, parse_split(options.split));
  check<ValueError>(options.k <= dataset->size(), "-k: there are ", dataset->size(), " images to choose from, but ", options.k,
                    " are asked for");
  if (!options.out.empty()) {
    check<ValueError>(options.k <= kMostShown, "-o: a picture shows at most ", kMostShown, " neighbours, but -k is ",
                      options.k);
    for (const std::string& input : {options.image, options.encoder.source}) check_keeps(options.out, input, ".png");
    check_writable(options.out);
  }
  const ResNet encoder = source.load(device);
  const StreamOptions how = options.data.stream();
  const Tensor x = embed(encoder, source.stream_beside(*dataset, as_array(query), device, how), dtype).x;
  const Tensor rows = embed(encoder, source.stream(dataset, device, how), dtype).x;
  const Neighbours found = find_neighbours(rows, x, options.k);
  std::ostream& out = messages_beside(options.out);
  out << printable(options.image) << ": the nearest of " << counted(dataset->size(), "image") << " of " << dataset->info().kind
      << " (" << options.split << ")\n";
  print_table(out, *dataset, found);
  if (options.out.empty()) return;
  write_sheet(options.out, query, *dataset, found);
  out << "wrote " << printable(options.out) << "\n";
}

}  // namespace

void add_neighbours(Command program) {
  const auto options = std::make_shared<NeighboursCommand>();
  Command command = program.add_subcommand("neighbours", "The images of a data set that an encoder finds nearest to one image");
  add_encoder_options(command, options->encoder);
  command.add_option("--image", options->image, "File of the image, in any format that mec info lists").required();
  command.add_option("-k,--count", options->k, "So many neighbours").positive().show_default();
  add_data_options(command, options->data);
  command.add_option("--split", options->split, "train or test: of the data set").one_of({"train", "test"}).show_default();
  command.add_option("-o,--out", options->out, "A picture (PNG): the image, and below it its neighbours");
  add_precision_option(command, options->precision);
  add_device_options(command, options->device);
  command.run([options] { run_neighbours(*options); });
}

}  // namespace mec::cli
