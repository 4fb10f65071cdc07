#include <iostream>

#include "mec/cli/commands.h"
#include "mec/cli/encoder_source.h"
#include "mec/cli/program.h"
#include "mec/nn/files/torchvision.h"
#include "mec/nn/onnx/onnx_file.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/text.h"

namespace mec::cli {

namespace {

struct ExportCommand {
  EncoderOptions encoder;
  std::optional<std::string> onnx, torchvision;
  OnnxOptions graph;
  std::int64_t classes = 1000;
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

void export_onnx(const ExportCommand& options, ResNet& encoder, const WeightsInfo& info) {
  const OnnxGraph graph = to_onnx_graph(encoder, info, options.graph);
  write_onnx(*options.onnx, graph);
  std::cout << "wrote " << printable(*options.onnx) << ": ONNX, opset " << kOnnxOpset << ", batch norms "
            << (options.graph.fold ? "folded" : "kept") << "\n  input:  " << text_of(graph.input);
  if (options.graph.pixels) {
    std::cout << ", 0 to 255" << (info.encoder.in_channels == 3 ? ", RGB" : "");
  } else {
    std::cout << ", (pixel/255 - mean)/std; " << describe_normalization(info);
  }
  std::cout << "\n  output: " << text_of(graph.output) << "\n";
}

void export_torchvision(const ExportCommand& options, ResNet& encoder, const WeightsInfo& info) {
  const std::string code = torchvision_code(encoder.config, options.classes);
  save_torchvision(*options.torchvision, encoder, info, options.classes);
  std::cout << "wrote " << printable(*options.torchvision) << ": num_batches_tracked is 0";
  if (options.classes > 0) std::cout << ", the classifier fc is zeros for " << options.classes << " classes";
  else std::cout << ", there is no classifier";
  std::cout << "\n"
            << code << "\nnet.load_state_dict(safetensors.torch.load_file('" << printable(*options.torchvision)
            << "'), strict=True)\n";
}

void run_export(const ExportCommand& options) {
  if (!options.onnx && !options.torchvision) throw UsageError("say what to write: --onnx FILE or --torchvision FILE");
  const EncoderSource source(options.encoder);
  ResNet encoder = source.load(make_cpu_device());
  if (options.onnx) export_onnx(options, encoder, source.info());
  if (options.torchvision) export_torchvision(options, encoder, source.info());
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
  command.add_option("--classes", options->classes, "Of its classifier fc, which is zeros; 0: none")
      .between(0, 1000000)
      .needs(torchvision)
      .show_default();
  command.run([options] { run_export(*options); });
}

}  // namespace mec::cli
