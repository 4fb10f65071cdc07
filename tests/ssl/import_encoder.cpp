// Encoders out of weights that another library wrote.
#include "mec/ssl/run/import_encoder.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "mec/nn/files/weights.h"
#include "mec/nn/initialize.h"
#include "mec/ssl/run/saved_encoder.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/io/safetensors.h"
#include "support/samples.h"
#include "tensor/io_files.h"

using namespace mec;
using namespace mec::test;

namespace {

const Device kDevice = make_reference_device();
const ResNetConfig kSmall{.arch = "resnet10", .width = 2, .stem = Stem::cifar};

struct Fixture {
  TempFolder folder;
  std::filesystem::path from = folder / "from.safetensors", to = folder / "to.safetensors";

  std::vector<NamedTensor> tensors(const ResNetConfig& config = kSmall) const {
    ResNet net(config, kDevice);
    initialize(net, 1);
    save_weights(from, net);
    return read_safetensors(from, kDevice).tensors;
  }
  void write(const std::vector<NamedTensor>& tensors, const std::map<std::string, std::string>& metadata = {}) const {
    write_safetensors(from, {.metadata = metadata, .tensors = tensors});
  }
  template <class E> void check_refused(const std::string& why, const ImportOptions& options = {}) const {
    const std::string message = message_of<E>([&] { import_encoder(from, to, options); });
    CAPTURE(message);
    CHECK(contains(message, why));
    CHECK_FALSE(std::filesystem::exists(to));
  }
};

Tensor& at(std::vector<NamedTensor>& tensors, const std::string& name) {
  const auto found = std::ranges::find(tensors, name, &NamedTensor::name);
  REQUIRE(found != tensors.end());
  return found->tensor;
}

// What each of the 65536 patterns of 16 bits means; 0 for what is not finite.
std::vector<float> finite_halves(bool bf16) {
  std::vector<float> values;
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    double value = 0;
    if (bf16) {
      const std::uint32_t wide = bits << 16;
      float f = 0;
      std::memcpy(&f, &wide, sizeof f);
      value = f;
    } else {
      const int exponent = static_cast<int>(bits >> 10 & 31);
      const double fraction = bits & 1023;
      value = exponent == 31 ? NAN : exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24);
      if (bits >> 15) value = -value;
    }
    values.push_back(std::isfinite(value) ? static_cast<float>(value) : 0.0F);
  }
  return values;
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "every finite f16 and bf16 is widened to the f32 of the same value") {
  // That tensor has more than 65536 elements. It is written as bf16; for f16 the header is changed.
  const std::string name = "layer4.0.conv2.weight";
  std::vector<NamedTensor> all = tensors({.arch = "resnet10", .width = 11, .stem = Stem::cifar});
  const Shape shape = at(all, name).shape();
  for (const bool bf16 : {true, false}) {
    CAPTURE(bf16);
    std::vector<std::uint16_t> bits(static_cast<std::size_t>(shape.numel()), 0);
    for (std::uint32_t i = 0; i < 65536; ++i) {
      const bool finite = bf16 ? (i >> 7 & 255) != 255 : (i >> 10 & 31) != 31;
      if (finite) bits[i] = static_cast<std::uint16_t>(i);
    }
    at(all, name) = Tensor::from_bytes(bits.data(), shape, Dtype::bf16, kDevice);
    write(all);
    if (!bf16) {
      std::string bytes = read_bytes(from);
      const auto place = bytes.find("\"BF16\"");
      REQUIRE(place != std::string::npos);
      write_bytes(from, bytes.replace(place, 6, "\"F16\" "));
    }
    import_encoder(from, to);
    const SafetensorsFile result = read_safetensors(to, kDevice);
    REQUIRE(result.find(name));
    std::vector<float> found = result.find(name)->to_vector<float>();
    found.resize(65536);
    CHECK(std::memcmp(found.data(), finite_halves(bf16).data(), 65536 * sizeof(float)) == 0);
  }
}

TEST_CASE_FIXTURE(Fixture, "the report says what was taken and what was not, and the file is an encoder's") {
  std::vector<NamedTensor> all;
  for (const NamedTensor& t : tensors()) {
    all.push_back({"module.encoder_q." + t.name, t.tensor.dtype() == Dtype::f32 ? t.tensor.to(Dtype::bf16) : t.tensor});
    all.push_back({"module.encoder_k." + t.name, t.tensor});
  }
  all.push_back({"module.encoder_q.fc.0.weight", Tensor::full({4, 16}, NAN, Dtype::f32, kDevice)});  // not looked at
  all.push_back({"module.encoder_q.fc.2.bias", Tensor::zeros({4}, Dtype::f32, kDevice)});
  all.push_back({"module.queue", Tensor::zeros({4, 5}, Dtype::f32, kDevice)});
  write(all);
  const ImportReport report = import_encoder(from, to);
  CHECK(report.prefix == "module.encoder_q.");
  std::vector<std::string> taken, left;
  std::size_t tensors_told = 0;
  for (const ImportGroup& g : report.taken) taken.push_back(concat(g.name, " ", g.tensors, " ", g.types));
  for (const ImportGroup& g : report.left_out)
    left.push_back(concat(g.name, " ", g.tensors, " ", g.numbers, " ", g.other_encoder));
  for (const auto* groups : {&report.taken, &report.left_out}) {
    for (const ImportGroup& g : *groups) tensors_told += g.tensors;
  }
  CHECK(taken == std::vector<std::string>{"bn1 5 BF16 I64", "conv1 1 BF16", "layer1 12 BF16 I64", "layer2 18 BF16 I64",
                                          "layer3 18 BF16 I64", "layer4 18 BF16 I64"});
  REQUIRE(left.size() == 3);
  CHECK(left[0].starts_with("module.encoder_k 72 "));
  CHECK(left[0].ends_with(" 1"));
  CHECK(left[1] == "module.encoder_q.fc 2 68 0");
  CHECK(left[2] == "module.queue 1 20 0");
  CHECK(tensors_told == all.size());

  const SavedEncoder saved(to);
  CHECK(saved.info().encoder.arch == "resnet10");
  LoadReport loaded;
  saved.load(kDevice, &loaded);
  CHECK(loaded.prefix.empty());
  CHECK(loaded.left_out.empty());
}

TEST_CASE_FIXTURE(Fixture, "image size, mean and std: as said, as the file has them, or ImageNet's, and then that is told") {
  write(tensors());
  ImportReport report = import_encoder(from, to);
  CHECK(report.info.image_size == 32);
  CHECK(report.info.mean == std::vector<double>{0.485, 0.456, 0.406});
  CHECK(report.assumed_size);
  CHECK(report.assumed_normalization);
  CHECK(read_weights_info(to).std == std::vector<double>{0.229, 0.224, 0.225});
  CHECK(report.assumed_layers);
  report = import_encoder(from, to, {.image_size = 48, .normalization = PixelStatistics{{0.1, 0.2, 0.3}, {1, 0.5, 0.7}}});
  CHECK(report.info.image_size == 48);
  CHECK(report.info.mean == std::vector<double>{0.1, 0.2, 0.3});
  CHECK(report.info.std == std::vector<double>{1, 0.5, 0.7});
  CHECK_FALSE(report.assumed_size);
  CHECK_FALSE(report.assumed_normalization);

  write(tensors({.arch = "resnet10", .width = 2}));
  CHECK(import_encoder(from, to).info.image_size == 224);
  write(tensors({.arch = "resnet10", .width = 2, .in_channels = 1, .stem = Stem::cifar}));
  CHECK(import_encoder(from, to).info.mean.size() == 1);

  const WeightsInfo own{.encoder = kSmall, .image_size = 77, .mean = {0.5, 0.5, 0.5}, .std = {0.1, 0.2, 0.3}};
  write(tensors(), to_metadata(own));
  report = import_encoder(from, to);
  CHECK(report.info.image_size == 77);
  CHECK(report.info.std == own.std);
  CHECK_FALSE(report.assumed_layers);
  CHECK_FALSE(report.assumed_size);
  CHECK_FALSE(report.assumed_normalization);
  CHECK(import_encoder(from, to, {.image_size = 5}).info.image_size == 5);
}

TEST_CASE_FIXTURE(Fixture, "weights that are missing, misshapen, unknown or not finite are refused, and nothing is written") {
  const auto with = [&](const auto& change) {
    auto all = tensors();
    change(all);
    write(all);
  };
  with([](auto& t) { std::erase_if(t, [](const NamedTensor& x) { return x.name == "layer2.0.bn1.running_var"; }); });
  check_refused<IoError>("1 of 60 tensors missing (layer2.0.bn1.running_var)");
  with([](auto& t) { at(t, "layer2.0.bn1.bias") = Tensor::zeros({3}, Dtype::f32, kDevice); });
  check_refused<IoError>("1 of another shape (layer2.0.bn1.bias is (3), but (4) here)");
  with([](auto& t) { at(t, "layer3.0.conv1.weight").fill(NAN); });
  check_refused<IoError>("layer3.0.conv1.weight[0,0,0,0] is nan, but weights are finite");
  with([](auto& t) { t.push_back({"layer1.0.se.fc1.weight", Tensor::zeros({2}, Dtype::f32, kDevice)}); });
  check_refused<IoError>("1 unknown here");
  with([](auto&) {});
  check_refused<ValueError>("3 image channels have as many means and stds", {.normalization = PixelStatistics{{0.5}, {0.5}}});
  check_refused<ValueError>("image_size is 1 to 16384", {.image_size = 0});
  check_refused<ValueError>("a mean is 123.675; these look like pixels of 0 to 255: divide mean and std by 255",
                            {.normalization = PixelStatistics{{0.5, 123.675, 0.5}, {1, 1, 1}}});
  check_refused<ValueError>("a mean is -0.1", {.normalization = PixelStatistics{{0.5, -0.1, 0.5}, {1, 1, 1}}});
  check_refused<ValueError>("a std is 58.395", {.normalization = PixelStatistics{{0.5, 0.5, 0.5}, {1, 1, 58.395}}});
  write(tensors({.arch = "resnet10", .width = 2, .in_channels = 4, .stem = Stem::cifar}));
  check_refused<ValueError>("of 4 image channels ImageNet's mean and std are not known; say --mean and --std");
  import_encoder(from, to, {.normalization = PixelStatistics{{0, 0, 0, 0}, {1, 1, 1, 1}}});
  CHECK(contains(message_of<ValueError>([&] { import_encoder(to, to); }), "is the file that it reads"));
  CHECK(contains(message_of<IoError>([&] { import_encoder(from, folder.path()); }), "is a folder; give the file a name"));
}

TEST_CASE_FIXTURE(Fixture, "counts of batches do not matter: each is 0 in the encoder") {
  auto all = tensors();
  for (NamedTensor& t : all) {
    if (t.name == "bn1.num_batches_tracked") t.tensor = Tensor::full({}, NAN, Dtype::f32, kDevice);
    else if (t.name.ends_with("num_batches_tracked")) t.tensor = Tensor::from(std::vector<std::int64_t>{-1}, {}, kDevice);
  }
  write(all);
  CHECK(message_of<IoError>([&] { load_weights(from, *std::make_unique<ResNet>(kSmall, kDevice)); }) != "");
  import_encoder(from, to);
  CHECK(read_safetensors(to, kDevice).find("bn1.num_batches_tracked")->to_vector<std::int64_t>()[0] == 0);
}
