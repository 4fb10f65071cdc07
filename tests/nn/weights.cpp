#include "mec/nn/files/weights.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "mec/nn/files/weights_info.h"
#include "mec/nn/initialize.h"
#include "mec/nn/resnet.h"
#include "mec/tensor/backends/wrappers/forwarding.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/io/safetensors.h"
#include "support/samples.h"

using namespace mec;
using namespace mec::test;

namespace {

const Device kDevice = make_reference_device();

// Stores images in eight channels, as a GPU does.
struct EightChannels : ForwardingBackend {
  EightChannels() : ForwardingBackend(make_reference_device()) {}
  std::int64_t image_channels(std::int64_t) const override { return 8; }
  void on_call(KernelCall call) override { call.run(); }
};

// A folder that goes with the test.
struct Folder {
  Folder() : path(std::filesystem::temp_directory_path() / concat("mec_weights_", getpid())) {
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

const ResNetConfig kSmall{.arch = "resnet10", .width = 2, .stem = Stem::cifar};

ResNet made(std::uint64_t seed, const Device& device = kDevice) {
  ResNet net(kSmall, device);
  initialize(net, seed);
  net.forward(Variable(normal({4, 6, 6, device->image_channels(3)}, device, 0, Dtype::f32)),
              kTraining);  // moves the statistics
  return net;
}

bool same_state(Module& a, Module& b) {
  const auto pa = parameters_of(a), pb = parameters_of(b);
  const auto ba = buffers_of(a), bb = buffers_of(b);
  const auto equal = [](const Tensor& x, const Tensor& y) { return x.to_vector<float>() == y.to_vector<float>(); };
  return std::ranges::equal(pa, pb,
                            [&](auto& x, auto& y) { return equal(x.parameter.value.data(), y.parameter.value.data()); }) &&
         std::ranges::equal(ba, bb, [&](auto& x, auto& y) { return equal(x.tensor, y.tensor); });
}

Tensor& tensor_of(SafetensorsFile& file, const std::string& name) {
  const auto found = std::ranges::find_if(file.tensors, [&](const NamedTensor& t) { return t.name == name; });
  REQUIRE(found != file.tensors.end());
  return found->tensor;
}

}  // namespace

TEST_CASE("weights come back to the bit") {
  const Folder folder;
  const auto path = folder.path / "w.safetensors";
  ResNet net = made(1), other = made(2);
  REQUIRE_FALSE(same_state(net, other));
  save_weights(path, net, {{"note", "kept"}});
  CHECK(load_weights(path, other).left_out.empty());
  CHECK(same_state(net, other));
  CHECK(read_safetensors_metadata(path).at("note") == "kept");
}

TEST_CASE("in the file convolutions are OIHW and norms count their batches") {
  const Folder folder;
  const auto path = folder.path / "w.safetensors";
  ResNet net = made(1);
  save_weights(path, net);
  const SafetensorsFile file = read_safetensors(path, kDevice);
  const Tensor* w = file.find("conv1.weight");
  REQUIRE(w);
  REQUIRE(w->shape() == Shape{2, 3, 3, 3});
  const auto in_file = w->to_vector<float>(), here = net.conv1.weight.value.data().to_vector<float>();
  for (int o = 0; o < 2; ++o) {
    for (int i = 0; i < 3; ++i) {
      for (int h = 0; h < 3; ++h) {
        for (int v = 0; v < 3; ++v) CHECK(in_file[((o * 3 + i) * 3 + h) * 3 + v] == here[((o * 3 + h) * 3 + v) * 3 + i]);
      }
    }
  }
  const Tensor* counter = file.find("layer1.0.bn2.num_batches_tracked");
  REQUIRE(counter);
  CHECK(counter->shape() == Shape{});
  CHECK(counter->to_vector<std::int64_t>() == std::vector<std::int64_t>{0});
  CHECK(file.tensors.size() == parameters_of(net).size() + buffers_of(net).size() / 2 * 3);
}

TEST_CASE("files do not know of channels that a device adds to images") {
  const Folder folder;
  const Device padded = std::make_shared<EightChannels>();
  ResNet wide = made(1, padded), narrow = made(2), again = made(3, padded);
  CHECK(wide.conv1.weight.value.shape() == Shape{2, 3, 3, 8});
  const auto path = folder.path / "w.safetensors", path2 = folder.path / "w2.safetensors";
  save_weights(path, wide);
  load_weights(path, narrow);
  save_weights(path2, narrow);
  load_weights(path2, again);
  CHECK(same_state(wide, again));
  CHECK(again.conv1.weight.value.data().to_vector<float>()[3] == 0.0F);
}

TEST_CASE("what does not fit is one short line of counts and examples, and nothing has changed") {
  const Folder folder;
  const auto path = folder.path / "w.safetensors";
  ResNet net = made(1);
  save_weights(path, net);
  SafetensorsFile file = read_safetensors(path, kDevice);
  std::erase_if(file.tensors, [](const NamedTensor& t) {
    return t.name == "bn1.bias" || t.name == "bn1.running_var";
  });
  tensor_of(file, "conv1.weight") = Tensor::zeros({2, 1, 3, 3}, Dtype::f32, kDevice);
  tensor_of(file, "bn1.weight") = Tensor::zeros({2}, Dtype::i32, kDevice);
  file.tensors.push_back({"layer1.1.conv1.weight", Tensor::zeros({2}, Dtype::f32, kDevice)});
  file.tensors.push_back({"layer5.0.conv1.weight", Tensor::zeros({2}, Dtype::f32, kDevice)});
  write_safetensors(path, file);

  ResNet target = made(2), untouched = made(2);
  CHECK(message_of<IoError>([&] { load_weights(path, target); }) ==
        path.string() +
            ": the weights do not fit the network: 2 of 60 tensors missing (bn1.bias); 1 of "
            "another shape (conv1.weight "
            "is (2,1,3,3), but (2,3,3,3) here); 1 of a type that no weight has (bn1.weight is "
            "I32); 2 unknown here; "
            "mec info FILE lists them");
  CHECK(same_state(target, untouched));
}

TEST_CASE("the line of what does not fit is short, however many and long the names are") {
  const Folder folder;
  const auto path = folder.path / "w.safetensors";
  ResNet net = made(1);
  const std::string prefix =
      "a_long_beginning_of_names_that_somebody_took." + std::string(200, 'x') + ".";
  save_weights(path, net);
  SafetensorsFile file = read_safetensors(path, kDevice);
  std::erase_if(file.tensors, [](const NamedTensor& t) { return t.name.starts_with("layer2"); });
  for (NamedTensor& t : file.tensors) {
    t.name = prefix + t.name;
    if (t.name.ends_with("conv1.weight"))
      t.tensor = Tensor::zeros({2, 1, 3, 3}, Dtype::f32, kDevice);
    if (t.name.ends_with("bn2.bias")) t.tensor = Tensor::zeros({1}, Dtype::i32, kDevice);
  }
  write_safetensors(path, file);
  ResNet target = made(2);
  const std::string message = message_of<IoError>([&] { load_weights(path, target); });
  CAPTURE(message);
  CHECK(message.size() < 300);
  CHECK(contains(message, "names behind '..."));
  CHECK(contains(message, " of 60 tensors missing (layer2.0.conv1.weight)"));
  CHECK(contains(message, "; mec info FILE lists them"));
}

TEST_CASE("what comes before all names is found, taken off and told") {
  const Folder folder;
  const auto path = folder.path / "w.safetensors";
  ResNet net = made(1);
  for (const std::string prefix :
       {"backbone.", "module.", "encoder.", "model.encoder.q.", "layer1.0."}) {
    CAPTURE(prefix);
    save_weights(path, net);
    SafetensorsFile file = read_safetensors(path, kDevice);
    for (NamedTensor& t : file.tensors) t.name = prefix + t.name;
    file.tensors.push_back({"classifier.weight", Tensor::zeros({10, 16}, Dtype::f32, kDevice)});
    file.tensors.push_back(
        {prefix + "fc.bias", Tensor::full({10}, NAN, Dtype::f32, kDevice)});  // not looked at
    write_safetensors(path, file);
    ResNet target = made(2);
    const LoadReport report = load_weights(path, target);
    CHECK(report.prefix == prefix);
    CHECK(report.left_out == std::vector<std::string>{"classifier.weight", prefix + "fc.bias"});
    CHECK(same_state(net, target));
  }
}

TEST_CASE("of two networks in a file one has to be named") {
  const Folder folder;
  const auto path = folder.path / "w.safetensors";
  ResNet student = made(1), teacher = made(2);
  SafetensorsFile both;
  for (auto& [prefix, net] :
       {std::pair<std::string, ResNet*>{"student.", &student}, {"teacher.encoder.", &teacher}}) {
    save_weights(path, *net);
    for (const NamedTensor& t : read_safetensors(path, kDevice).tensors)
      both.tensors.push_back({prefix + t.name, t.tensor});
  }
  write_safetensors(path, both);
  ResNet target = made(3);
  CHECK(contains(message_of<IoError>([&] { load_weights(path, target); }),
                 "the network's names occur with prefix 'student.' and with prefix 'teacher.encoder.'; choose "
                 "one with --prefix"));
  for (const char* prefix : {"teacher.encoder", "teacher.encoder."}) {
    const LoadReport report = load_weights(path, target, {.prefix = prefix});
    CHECK(report.prefix == "teacher.encoder.");
    CHECK(report.left_out.size() == both.tensors.size() / 2);
    CHECK(same_state(teacher, target));
    target = made(3);
  }
  CHECK(contains(message_of<IoError>([&] { load_weights(path, target, {.prefix = "techer."}); }),
                 "(names behind 'techer.'): 60 of 60 tensors missing (conv1.weight)"));
}

TEST_CASE("a value that no network can have is named, and nothing has changed") {
  const Folder folder;
  const auto path = folder.path / "w.safetensors";
  ResNet net = made(1);
  const auto message_with = [&](const std::string& name, const Tensor& tensor) {
    save_weights(path, net);
    SafetensorsFile file = read_safetensors(path, kDevice);
    tensor_of(file, name) = tensor;
    write_safetensors(path, file);
    ResNet target = made(2), untouched = made(2);
    const std::string message = message_of<IoError>([&] { load_weights(path, target); });
    CHECK(same_state(target, untouched));
    CHECK(message.starts_with(path.string() + ": no network has such a weight: "));
    return message.substr(message.rfind(": ") + 2);
  };
  std::vector<float> weight(54, 0.5F);
  weight[31] = std::numeric_limits<float>::quiet_NaN();
  CHECK(message_with("conv1.weight", Tensor::from(weight, {2, 3, 3, 3}, kDevice)) ==
        "conv1.weight[1,0,1,1] is nan, but weights are finite");
  const auto pair = [](double first, double second, Dtype dtype = Dtype::f32) {
    return Tensor::from(std::vector<double>{first, second}, {2}, kDevice).to(dtype);
  };
  CHECK(message_with("bn1.bias", pair(0, INFINITY)) ==
        "bn1.bias[1] is inf, but weights are finite");
  CHECK(message_with("bn1.weight", pair(-INFINITY, 0, Dtype::bf16)) ==
        "bn1.weight[0] is -inf, but weights are finite");
  CHECK(message_with("bn1.running_mean", pair(NAN, 0, Dtype::f64)) ==
        "bn1.running_mean[0] is nan, but weights are finite");
  CHECK(message_with("bn1.weight", pair(1, -1e39, Dtype::f64)) ==
        "bn1.weight[1] is -1e+39, but f32 ends at 3.4e38");
  CHECK(message_with("bn1.running_var", pair(0, -0.5)) ==
        "bn1.running_var[1] is -0.5, but it is never negative");
  CHECK(message_with("bn1.num_batches_tracked",
                     Tensor::from(std::vector<std::int64_t>{-1}, {}, kDevice)) ==
        "bn1.num_batches_tracked[] is -1, but it is never negative");
}

TEST_CASE("a classifier is left out and reported, counters are optional, other floats are converted") {
  const Folder folder;
  const auto path = folder.path / "w.safetensors";
  ResNet net = made(1);
  save_weights(path, net);
  SafetensorsFile file = read_safetensors(path, kDevice);
  std::erase_if(file.tensors, [](const NamedTensor& t) { return t.name.ends_with("num_batches_tracked"); });
  for (NamedTensor& t : file.tensors) t.tensor = t.tensor.to(Dtype::f64);
  Tensor& mean = tensor_of(file, "bn1.running_mean");
  mean = Tensor::full({2}, 0.5, Dtype::bf16, kDevice);
  file.tensors.push_back({"fc.weight", Tensor::zeros({10, 16}, Dtype::f32, kDevice)});
  file.tensors.push_back({"fc.bias", Tensor::zeros({10}, Dtype::f32, kDevice)});
  write_safetensors(path, file);

  ResNet target = made(2);
  auto left_out = load_weights(path, target).left_out;
  std::ranges::sort(left_out);
  CHECK(left_out == std::vector<std::string>{"fc.bias", "fc.weight"});
  CHECK(target.bn1.running.mean.to_vector<float>() == std::vector<float>{0.5F, 0.5F});
  net.bn1.running.mean.fill(0.5);
  CHECK(same_state(net, target));
}

TEST_CASE("metadata says what network it is, and comes back the same") {
  WeightsInfo info;
  info.encoder.arch = "resnet50";
  info.encoder.width = 16;
  info.encoder.stem = Stem::cifar;
  info.image_size = 96;
  info.mean = {0.485, 0.456, 1.0 / 3};
  info.std = {0.229, 0.224, 0.225};
  const auto metadata = to_metadata(info);
  const WeightsInfo back = to_weights_info(metadata, "w.safetensors");
  CHECK(back.encoder.arch == "resnet50");
  CHECK(back.encoder.width == 16);
  CHECK(back.encoder.in_channels == 3);
  CHECK(back.encoder.stem == Stem::cifar);
  CHECK(back.image_size == 96);
  CHECK(back.mean == info.mean);
  CHECK(back.std == info.std);

  const auto message_with = [&](const std::string& key, const std::string& value) {
    auto changed = metadata;
    if (value.empty()) changed.erase(key);
    else changed[key] = value;
    return message_of<IoError>([&] { to_weights_info(changed, "w.safetensors"); });
  };
  CHECK(contains(message_with("mec_format", ""), "w.safetensors: the file does not say what network"));
  CHECK(contains(message_with("mec_format", "2"), "version 2"));
  CHECK(contains(message_with("arch", "vit"), "vit"));
  CHECK(contains(message_with("stem", "tiny"), "tiny"));
  CHECK(contains(message_with("width", "-3"), "'width'"));
  CHECK(contains(message_with("width", "1e"), "'width'"));
  CHECK(contains(message_with("image_size", "96,96"), "image_size"));
  CHECK(contains(message_with("mean", "0.5,"), "'mean'"));
  CHECK(contains(message_with("mean", "0.1;0.2;0.3"), "'mean'"));
  CHECK(contains(message_with("mean", "0.5"), "means"));
  CHECK(contains(message_with("std", "0.5,0.5,0"), "positive and finite, but are 0.5,0.5,0"));
  CHECK(contains(message_with("std", "0.5,nan,0.5"), "positive and finite, but are 0.5,nan,0.5"));
  CHECK(contains(message_with("std", "inf,1,1"), "positive and finite, but are inf,1,1"));
  CHECK(contains(message_with("std", "1e-60,1,1"),
                 "positive and finite, but are 1e-60,1,1"));  // 0 in f32
  CHECK(contains(message_with("mean", "0,0,nan"), "means are finite, but are 0,0,nan"));
  CHECK(contains(message_with("mean", "1e39,0,0"), "means are finite, but are 1e+39,0,0"));
  CHECK(contains(message_with("image_size", "300000000"),
                 "image_size is 1 to 16384 pixels on a side, but is 300000000"));
  CHECK(contains(message_with("image_size", "99999999999999999999"), "'image_size'"));
  CHECK(contains(message_with("width", "8193"),
                 "width and in_channels are 1 to 8192, but are 8193 and 3"));
  CHECK(contains(message_with("in_channels", "1000000"), "1 to 8192, but are 16 and 1000000"));
  WeightsInfo incomplete = info;
  incomplete.std.pop_back();
  CHECK_THROWS_AS(to_metadata(incomplete), ValueError);
}
