#include <iostream>
#include <optional>

#include "mec/cli/commands.h"
#include "mec/cli/encoder_source.h"
#include "mec/cli/program.h"
#include "mec/nn/files/torchvision.h"
#include "mec/nn/onnx/onnx_file.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/io/atomic_file.h"
#include "mec/tensor/io/output_path.h"
#include "mec/tensor/text.h"

namespace mec::cli {

namespace {

struct ExportCommand {
  EncoderOptions encoder;
  std::optional<std::string> onnx, torchvision;
  OnnxOptions graph;
  std::optional<std::int64_t> classes;  // of a classifier of zeros; none: the source's own, or 1000
};

std::string text_of(const OnnxValue& value) {
  std::string sizes;
  for (const auto& size : value.sizes) {
    if (!sizes.empty()) sizes += ',';
    if (const auto* number = std::get_if<std::int64_t>(&size)) sizes += std::to_string(*number);
    else sizes += std::get<std::string>(size);
  }
  return concat(value.name, " (", sizes, ") ", value.bytes ? "u8" : "f32");
}

void print_onnx(const ExportCommand& options, const OnnxGraph& graph, const WeightsInfo& info) {
  std::cout << "wrote " << printable(*options.onnx) << ": ONNX, opset " << kOnnxOpset << ", batch norms "
            << (options.graph.fold ? "folded" : "kept") << "\n  input:  " << text_of(graph.input);
  if (options.graph.pixels) {
    std::cout << ", 0 to 255" << (info.encoder.in_channels == 3 ? ", RGB" : "");
  } else {
    std::cout << ", (pixel/255 - mean)/std; " << describe_normalization(info);
  }
  std::cout << "\n  output: " << text_of(graph.output) << "\n";
}

// A path as Python reads it: quoted; where a terminal cannot show it, as bytes.
std::string python_path(const std::string& path) {
  const bool shown = printable(path) == path;
  std::string text;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\'' || c == '\\') text += concat("\\", c);
    else if (shown || (byte >= 0x20 && byte < 0x7f)) text += c;
    else text += concat("\\x", "0123456789abcdef"[byte / 16], "0123456789abcdef"[byte % 16]);
  }
  return shown ? concat("'", text, "'") : concat("os.fsdecode(b'", text, "')");
}

// The classifier of the exported network.
struct Head {
  std::int64_t classes = 0;
  bool own = false;  // of the source; else zeros
};

void print_torchvision(const ExportCommand& options, const Head& head, const std::string& code) {
  const std::string file = python_path(*options.torchvision);
  std::cout << "wrote " << printable(*options.torchvision) << ": num_batches_tracked is 0";
  if (head.own) std::cout << ", the classifier fc is the source's, of " << head.classes << " classes";
  else if (head.classes > 0) std::cout << ", the classifier fc is zeros for " << head.classes << " classes";
  else std::cout << ", there is no classifier";
  std::cout << "\n"
            << (file.starts_with("os.") ? "import os\n" : "") << code << "\nnet.load_state_dict(safetensors.torch.load_file("
            << file << "), strict=True)\n";
}

// All is made, and refused, before a file is replaced: there is no half an export.
void run_export(const ExportCommand& options) {
  const auto &onnx = options.onnx, &torchvision = options.torchvision;
  if (!onnx && !torchvision) throw UsageError("say what to write: --onnx FILE or --torchvision FILE");
  if (onnx && torchvision && is_same_file(*onnx, *torchvision)) {
    throw UsageError("--onnx and --torchvision name one file; give them two");
  }
  const EncoderSource source(options.encoder);
  if (onnx) check_output("export", source.weights(), *onnx, "encoder.onnx");
  if (torchvision) check_output("export", source.weights(), *torchvision, "encoder-torchvision.safetensors");
  const std::vector<std::string>& own_classes = source.info().classes;
  WeightsInfo info = source.info();
  info.classes.clear();  // what is made of the encoder has no outputs that they name
  Head head{.classes = options.classes.value_or(1000)};
  if (!options.classes && !own_classes.empty()) head = {.classes = static_cast<std::int64_t>(own_classes.size()), .own = true};
  const std::string code = torchvision ? torchvision_code(info.encoder, head.classes) : "";
  std::optional<ResNet> encoder;
  if (onnx || !head.own) encoder = source.load(make_cpu_device());
  OnnxGraph graph;
  std::optional<AtomicFile> onnx_file;
  if (onnx) {
    graph = to_onnx_graph(*encoder, info, options.graph);
    const std::string bytes = to_onnx_file(graph);
    onnx_file.emplace(*onnx);
    onnx_file->write(bytes);
  }
  if (torchvision && head.own) {
    Classifier classifier = source.load_classifier(make_cpu_device());
    save_weights(*torchvision, classifier, to_metadata(source.info()));
  } else if (torchvision) {
    save_torchvision(*torchvision, *encoder, info, head.classes);
  }
  if (onnx) onnx_file->commit();
  if (onnx) print_onnx(options, graph, info);
  if (torchvision) print_torchvision(options, head, code);
}

}  // namespace

void add_export(Command program) {
  const auto options = std::make_shared<ExportCommand>();
  Command command = program.add_subcommand("export", "The encoder for other programs: ONNX, torchvision");
  add_encoder_options(command, options->encoder);
  const Option onnx = command.add_option("--onnx", options->onnx, "ONNX model: images to features");
  command
      .add_flag("--fold,!--no-fold", options->graph.fold, "Batch norms as parts of the convolutions before them (the default)")
      .needs(onnx);
  command
      .add_flag("--pixels", options->graph.pixels,
                "The model takes bytes (batch,height,width,channels) and normalises them; "
                "without, normalised f32 (batch,channels,height,width)")
      .needs(onnx);
  command.add_option("--image-size", options->graph.image_size, "The model takes this size alone; default: any")
      .between(1, kMaxImageSize)
      .needs(onnx);
  const Option torchvision =
      command.add_option("--torchvision", options->torchvision, "Weights (.safetensors) for torchvision's network, strictly");
  command.add_option("--classes", options->classes, "Of a classifier fc of zeros; 0: none. Default: the source's own, or 1000")
      .between(0, 1000000)
      .needs(torchvision);
  command.run([options] { run_export(*options); });
}

}  // namespace mec::cli
