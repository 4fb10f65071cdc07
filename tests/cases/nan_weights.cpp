// Weights with values that no network can have end each command with the tensor's name, not with
// chance accuracy.
#include <doctest/doctest.h>

#include <cmath>

#include "mec/nn/files/weights.h"
#include "mec/nn/files/weights_info.h"
#include "mec/nn/initialize.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/io/safetensors.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

namespace {

struct Fixture {
  TempFolder folder;
  std::string weights = (folder / "enc.safetensors").string(), data = (folder / "data").string();

  Fixture() {
    write_images(data, 16, 8);
    WeightsInfo info;
    info.encoder = {.arch = "resnet10", .width = 8, .in_channels = 1, .stem = Stem::cifar};
    info.image_size = 8;
    info.mean = {0.3};
    info.std = {0.4};
    ResNet encoder(info.encoder, make_reference_device());
    initialize(encoder, 0);
    save_weights(weights, encoder, to_metadata(info));
  }

  // The element at `index` of the tensor becomes `value`.
  void spoil(const std::string& name, std::size_t index, float value) const {
    const Device device = make_reference_device();
    SafetensorsFile file = read_safetensors(weights, device);
    for (NamedTensor& t : file.tensors) {
      if (t.name != name) continue;
      auto values = t.tensor.to_vector<float>();
      values.at(index) = value;
      t.tensor = Tensor::from(values, t.tensor.shape(), device);
    }
    write_safetensors(weights, file);
  }
  void fails(const std::string& why, const std::vector<std::string>& arguments) const {
    check_fails(folder, 1, "enc.safetensors: no network has such a weight: " + why, arguments);
  }
  std::string at(const std::string& name) const { return (folder / name).string(); }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a NaN among the weights is named by each command that reads them") {
  spoil("layer2.0.conv1.weight", 100, NAN);
  const std::string why = "layer2.0.conv1.weight[1,3,0,1] is nan, but weights are finite";
  fails(why, {"embed", weights, "--data", data, "--out", at("f.npy")});
  fails(why, {"eval", "knn", weights, "--data", data, "--k", "3", "--no-baselines"});
  fails(why, {"eval", "linear", weights, "--data", data, "--no-baselines"});
  fails(why, {"eval", "table", weights, "--data", data, "--k", "3", "--no-baselines"});
  fails(why, {"tsne", weights, "--data", data, "--perplexity", "2", "--out", at("t")});
  fails(why, {"study", "noise", weights, "--data", data, "--k", "3", "--out", at("s")});
#if MEC_HAVE_ZLIB
  ArrayFixture arrays;
  fails(why, {"coding", "simplicity", "--z", arrays.write_random("z.npy", {4, 3}, 1), "--weights", weights});
#endif
}

TEST_CASE_FIXTURE(Fixture, "infinities, negative variances and counts are named") {
  const std::vector<std::string> embed{"embed", weights, "--data", data, "--out", at("f.npy")};
  spoil("layer4.0.bn2.weight", 63, -INFINITY);
  fails("layer4.0.bn2.weight[63] is -inf, but weights are finite", embed);
  spoil("layer4.0.bn2.weight", 63, 1);
  spoil("bn1.running_var", 2, -0.25F);
  fails("bn1.running_var[2] is -0.25, but it is never negative", embed);
}

TEST_CASE_FIXTURE(Fixture, "finite weights whose features are not finite end in an error") {
  const std::string out = at("f.npy");
  spoil("conv1.weight", 0, 3e38F);
  spoil("layer1.0.conv1.weight", 0, 3e38F);
  spoil("bn1.weight", 0, 3e38F);
  check_fails(folder, 1, "embed: the encoder's features: all values must be finite, but the one at [",
              {"embed", weights, "--data", data, "--out", out});
}
