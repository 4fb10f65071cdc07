#include "mec/nn/onnx/onnx_graph.h"

#include <algorithm>
#include <cmath>

#include "mec/nn/files/check_belongs.h"
#include "mec/nn/layout.h"
#include "mec/tensor/devices.h"

namespace mec {

namespace {

using Ints = std::vector<std::int64_t>;

// On the host, in f32.
std::vector<float> values_of(const Tensor& tensor) {
  static const Device host = make_reference_device();
  return tensor.to(host).to(Dtype::f32).to_vector<float>();
}

struct Norm {
  std::vector<float> gamma, beta, mean, var;
  double eps;

  explicit Norm(const BatchNorm& norm)
      : gamma(values_of(norm.weight.value.data())),
        beta(values_of(norm.bias.value.data())),
        mean(values_of(norm.running.mean)),
        var(values_of(norm.running.var)),
        eps(norm.eps) {}
  double scale(std::size_t channel) const { return gamma[channel] / std::sqrt(static_cast<double>(var[channel]) + eps); }
};

// Adds nodes and their weights; each function returns the name of its output.
class Builder {
 public:
  Builder(OnnxGraph& graph, bool fold) : graph_(graph), fold_(fold) {}

  std::string add(const std::string& op, std::vector<std::string> inputs, const std::string& output,
                  std::vector<OnnxAttribute> attributes = {}) {
    graph_.nodes.push_back({op, std::move(inputs), output, std::move(attributes)});
    return output;
  }

  std::string tensor(const std::string& name, Ints sizes, std::vector<float> values) {
    graph_.tensors.push_back({name, std::move(sizes), std::move(values)});
    return name;
  }

  // The convolution and the norm, under their names in a weights file: "conv1" and "bn1".
  std::string conv_norm(const Conv2d& conv, const BatchNorm& norm, const std::string& x, const std::string& conv_name,
                        const std::string& norm_name) {
    const Tensor weight = to_file_form(conv.weight.value.data(), conv.weight.file_channels);
    const auto dims = weight.shape().dims();
    const Ints sizes(dims.begin(), dims.end());
    std::vector<float> values = values_of(weight);
    const auto& a = conv.args;
    std::vector<OnnxAttribute> attributes{{"kernel_shape", Ints{sizes[2], sizes[3]}},
                                          {"strides", Ints{a.stride, a.stride}},
                                          {"pads", Ints{a.pad, a.pad, a.pad, a.pad}}};
    const Norm n(norm);
    if (fold_) {
      const std::string bias = tensor(conv_name + ".bias", {sizes[0]}, folded_bias(n, norm_name));
      fold(n, norm_name, values);
      tensor(conv_name + ".weight", sizes, std::move(values));
      return add("Conv", {x, conv_name + ".weight", bias}, conv_name + ".output", std::move(attributes));
    }
    tensor(conv_name + ".weight", sizes, std::move(values));
    const std::string y = add("Conv", {x, conv_name + ".weight"}, conv_name + ".output", std::move(attributes));
    return add("BatchNormalization",
               {y, tensor(norm_name + ".weight", {sizes[0]}, n.gamma), tensor(norm_name + ".bias", {sizes[0]}, n.beta),
                tensor(norm_name + ".running_mean", {sizes[0]}, n.mean), tensor(norm_name + ".running_var", {sizes[0]}, n.var)},
               norm_name + ".output", {{"epsilon", static_cast<float>(n.eps)}});
  }

  std::string relu(const std::string& x, const std::string& name) { return add("Relu", {x}, name + ".output"); }

 private:
  static float finite(double value, const std::string& norm) {
    const auto rounded = static_cast<float>(value);
    check<ValueError>(std::isfinite(rounded), "ONNX: folded into the convolution before it, ", norm, " makes a weight ", value,
                      ", which f32 does not hold; keep batch norms with --no-fold (OnnxOptions::fold)");
    return rounded;
  }
  static void fold(const Norm& n, const std::string& name, std::vector<float>& weight) {
    const std::size_t each = weight.size() / n.gamma.size();
    for (std::size_t i = 0; i < weight.size(); ++i) weight[i] = finite(weight[i] * n.scale(i / each), name);
  }
  static std::vector<float> folded_bias(const Norm& n, const std::string& name) {
    std::vector<float> bias(n.beta.size());
    for (std::size_t c = 0; c < bias.size(); ++c) bias[c] = finite(n.beta[c] - n.mean[c] * n.scale(c), name);
    return bias;
  }

  OnnxGraph& graph_;
  bool fold_;
};

std::string add_block(Builder& b, const ResidualBlock& block, const std::string& x, const std::string& prefix) {
  std::string shortcut = x;
  if (block.pooled) {
    shortcut = b.add("AveragePool", {x}, prefix + "downsample.0.output",
                     {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}, {"ceil_mode", 1}, {"count_include_pad", 0}});
  }
  if (block.downsample) {
    const int conv = block.pooled_names ? 1 : 0;
    shortcut = b.conv_norm(block.downsample->conv, block.downsample->norm, shortcut, concat(prefix, "downsample.", conv),
                           concat(prefix, "downsample.", conv + 1));
  }
  std::string y = x;
  for (std::size_t i = 0; i < block.path.size(); ++i) {
    y = b.conv_norm(block.path[i].conv, block.path[i].norm, y, concat(prefix, "conv", i + 1), concat(prefix, "bn", i + 1));
    if (i + 1 < block.path.size()) y = b.relu(y, concat(prefix, "relu", i + 1));
  }
  return b.relu(b.add("Add", {y, shortcut}, prefix + "add.output"), prefix + "relu");
}

std::string add_stem(Builder& b, const ResNet& encoder, std::string y) {
  int layer = 0;  // of timm's Sequential
  for (const auto& [conv, norm] : encoder.before_conv1) {
    y = b.conv_norm(conv, norm, y, concat("conv1.", layer), concat("conv1.", layer + 1));
    y = b.relu(y, concat("conv1.", layer + 2));
    layer += 3;
  }
  y = b.conv_norm(encoder.conv1, encoder.bn1, y, layer == 0 ? "conv1" : concat("conv1.", layer), "bn1");
  y = b.relu(y, "relu");
  if (encoder.config.stem != Stem::imagenet) return y;
  const auto& pool = encoder.max_pool.args;
  return b.add("MaxPool", {y}, "maxpool.output",
               {{"kernel_shape", Ints{pool.kernel, pool.kernel}},
                {"strides", Ints{pool.stride, pool.stride}},
                {"pads", Ints{pool.pad, pool.pad, pool.pad, pool.pad}}});
}

// Bytes (batch,height,width,channels) to what the encoder sees.
std::string add_normalization(Builder& b, const std::string& pixels, const WeightsInfo& info) {
  std::vector<float> scale, shift;
  for (std::size_t c = 0; c < info.mean.size(); ++c) {
    scale.push_back(static_cast<float>(1 / (255 * info.std[c])));
    shift.push_back(static_cast<float>(-info.mean[c] / info.std[c]));
  }
  const Ints each{1, info.encoder.in_channels, 1, 1};
  constexpr std::int64_t kFloat = 1;  // TensorProto.FLOAT
  const std::string floats = b.add("Cast", {pixels}, "pixels.float", {{"to", kFloat}});
  const std::string planes = b.add("Transpose", {floats}, "pixels.nchw", {{"perm", Ints{0, 3, 1, 2}}});
  const std::string scaled = b.add("Mul", {planes, b.tensor("pixels.scale", each, scale)}, "pixels.scaled");
  return b.add("Add", {scaled, b.tensor("pixels.shift", each, shift)}, "images");
}

OnnxValue input_of(const WeightsInfo& info, const OnnxOptions& options) {
  const auto side = [&](const char* name) -> std::variant<std::int64_t, std::string> {
    if (options.image_size > 0) return options.image_size;
    return name;
  };
  if (options.pixels) return {"pixels", true, {"batch", side("height"), side("width"), info.encoder.in_channels}};
  return {"images", false, {"batch", info.encoder.in_channels, side("height"), side("width")}};
}

std::string about(const WeightsInfo& info, const OnnxOptions& options) {
  return concat(info.encoder.arch, ", an encoder of images without its head. ",
                options.pixels ? "Input: pixels of 0 to 255, (batch,height,width,channels); the graph normalises them."
                               : "Input: (batch,channels,height,width), (pixel/255 - mean)/std of each channel.",
                " Metadata: mean, std and image_size, at which it was trained. Output: features (batch,width).");
}

}  // namespace

OnnxGraph to_onnx_graph(ResNet& encoder, const WeightsInfo& info, const OnnxOptions& options) {
  check_belongs(info, encoder.config);
  check<ValueError>(options.image_size >= 0 && options.image_size <= kMaxImageSize, "ONNX: image_size is 1 to ", kMaxImageSize,
                    " pixels on a side, or 0 for any, but is ", options.image_size);
  std::int64_t numbers = 0;
  for (const auto& p : parameters_of(encoder)) numbers += p.parameter.value.data().numel();
  constexpr std::int64_t kMost = (std::int64_t{1} << 31) - (std::int64_t{1} << 20);  // of protobuf, less the nodes
  check<ValueError>(numbers <= kMost / 4, "ONNX: ", numbers, " weights take more than the 2 GiB of an ONNX file");

  OnnxGraph graph{.name = info.encoder.arch,
                  .about = about(info, options),
                  .input = input_of(info, options),
                  .output = {"features", false, {"batch", encoder.out_features()}},
                  .nodes = {},
                  .tensors = {},
                  .metadata = to_metadata(info)};
  graph.metadata.erase("format");  // of safetensors
  Builder b(graph, options.fold);
  std::string y = graph.input.name;
  if (options.pixels) y = add_normalization(b, y, info);
  y = add_stem(b, encoder, y);
  for (std::size_t stage = 0; stage < 4; ++stage) {
    for (std::size_t block = 0; block < encoder.stages[stage].size(); ++block) {
      y = add_block(b, encoder.stages[stage][block], y, concat("layer", stage + 1, ".", block, "."));
    }
  }
  y = b.add("GlobalAveragePool", {y}, "avgpool.output");
  b.add("Flatten", {y}, graph.output.name, {{"axis", std::int64_t{1}}});
  return graph;
}

}  // namespace mec
