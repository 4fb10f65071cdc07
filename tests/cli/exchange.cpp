// Encoders on their way in and out: mec import and mec export.
#include <doctest/doctest.h>

#include <algorithm>

#include "mec/nn/files/weights.h"
#include "mec/nn/files/weights_info.h"
#include "mec/nn/initialize.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/io/npy.h"
#include "mec/tensor/io/safetensors.h"
#include "support/option_rows.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

namespace {

struct Fixture : ArrayFixture {
  std::string foreign = at("foreign.safetensors"), encoder = at("encoder.safetensors"), onnx = at("x.onnx");

  void write_foreign(const ResNetConfig& config, const std::string& prefix = "module.backbone.") const {
    ResNet net(config, device);
    initialize(net, 1);
    save_weights(foreign, net);
    SafetensorsFile file = read_safetensors(foreign, device);
    for (NamedTensor& t : file.tensors) t.name = prefix + t.name;
    file.tensors.push_back({"module.projector.0.weight", Tensor::zeros({4, 16}, Dtype::f32, device)});
    write_safetensors(foreign, file);
  }
  std::string run(const Words& words) const {
    const ProgramResult result = run_program(folder, words);
    CAPTURE(result.err);
    REQUIRE(result.status == 0);
    return result.out;
  }
  bool writes_onnx() const {
    const ProgramResult result = run_program(folder, {"export", encoder, "--onnx", onnx});
    if (result.status == 0) return true;
    CHECK(result.err.find("this build cannot write ONNX files: ") != std::string::npos);
    CHECK(result.err.find("install libonnx-dev and libprotobuf-dev, and build with -DMEC_ONNX=ON") != std::string::npos);
    return false;
  }
};

const ResNetConfig kSmall{.arch = "resnet10", .width = 2, .stem = Stem::cifar};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "mec import tells what it took and assumed, and mec embed takes the result without a word") {
  write_foreign(kSmall);
  CHECK(run({"import", foreign, "--out", encoder}) ==
        "taken             tensors      numbers  type\n"
        "bn1                     5            9  F32 I64\n"
        "conv1                   1           54  F32\n"
        "layer1                 12           90  F32 I64\n"
        "layer2                 18          275  F32 I64\n"
        "layer3                 18          995  F32 I64\n"
        "layer4                 18         3779  F32 I64\n"
        "left out          tensors      numbers  type\n"
        "module.projector        1           64  F32\n"
        "taken off the names: module.backbone.\n"
        "wrote " +
            encoder +
            ", in f32: resnet10, cifar stem, width 2, 3 channels\n"
            "  image size 32 (assumed: --size says another)\n"
            "  mean 0.485,0.456,0.406, std 0.229,0.224,0.225 (assumed: ImageNet's; --normalization, or --mean and --std, say "
            "others)\n");
  const std::string images = write_random("images.npy", {3, 9, 9, 3}, 4);
  const ProgramResult mine = run_program(folder, {"embed", encoder, "--images", images, "--out", at("a.npy")});
  CHECK(mine.status == 0);
  CHECK(mine.err.empty());
  run({"embed", foreign, "--arch", "resnet10", "--stem", "cifar", "--width", "2", "--images", images, "--out", at("b.npy")});
  CHECK(read_npy(at("a.npy"), device).to_vector<float>() == read_npy(at("b.npy"), device).to_vector<float>());
}

TEST_CASE_FIXTURE(Fixture, "the options of mec import have their effect") {
  check_rows({"import"}, {"source", "--out", "--prefix", "--size", "--normalization", "--mean", "--std"});
  write_foreign(kSmall);
  const auto info = [&](const Words& more) {
    run(joined({"import", foreign, "--out", encoder}, more));
    return read_weights_info(encoder);
  };
  CHECK(info({"--size", "40"}).image_size == 40);
  CHECK(info({"--normalization", "cifar10"}).mean[0] == doctest::Approx(0.4914));
  CHECK(info({"--mean", "0.5,0.25,0.125", "--std", "1,2,3"}).mean == std::vector<double>{0.5, 0.25, 0.125});
  CHECK(info({"--mean", "0.5,0.25,0.125", "--std", "1,2,3"}).std == std::vector<double>{1, 2, 3});
  CHECK(info({"--prefix", "module.backbone"}).encoder.arch == "resnet10");
  std::filesystem::remove(encoder);
  check_fails(folder, 1, "there is no ResNet behind 'other.'", {"import", foreign, "--out", encoder, "--prefix", "other"});
  check_fails(folder, 2, "--mean", {"import", foreign, "--out", encoder, "--mean", "1,1,1"});
  check_fails(folder, 1, "is a folder; give the encoder's file a name", {"import", foreign, "--out", folder.path().string()});
}

TEST_CASE_FIXTURE(Fixture, "mec export writes what torchvision loads, and says the Python that does") {
  write_foreign({.arch = "resnet10", .in_channels = 1, .stem = Stem::cifar});
  run({"import", foreign, "--out", encoder});
  const std::string tv = at("tv.safetensors");
  const std::string make =
      "net = torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1])\n"
      "net.conv1 = torch.nn.Conv2d(1, 64, 3, 1, 1, bias=False)\n"
      "net.maxpool = torch.nn.Identity()\n";
  const std::string load = "net.load_state_dict(safetensors.torch.load_file('" + tv + "'), strict=True)\n";
  CHECK(run({"export", encoder, "--torchvision", tv}) ==
        "wrote " + tv + ": num_batches_tracked is 0, the classifier fc is zeros for 1000 classes\n" + make + load);
  const SafetensorsFile file = read_safetensors(tv, device), before = read_safetensors(encoder, device);
  CHECK(file.tensors.size() == before.tensors.size() + 2);
  CHECK(file.tensors.size() == 74);  // of torchvision's state_dict
  for (const NamedTensor& t : before.tensors) {
    CAPTURE(t.name);
    REQUIRE(file.find(t.name));
    if (t.tensor.dtype() == Dtype::f32) CHECK(file.find(t.name)->to_vector<float>() == t.tensor.to_vector<float>());
  }
  CHECK(file.find("fc.weight")->to_vector<float>() == std::vector<float>(1000 * 512, 0.0F));
  CHECK(run({"export", encoder, "--torchvision", tv, "--classes", "0"}) ==
        "wrote " + tv + ": num_batches_tracked is 0, there is no classifier\n" + make + "net.fc = torch.nn.Identity()\n" +
            load);
  CHECK(read_safetensors(tv, device).tensors.size() == 72);

  write_foreign(kSmall);
  run({"import", foreign, "--out", encoder});
  check_fails(folder, 1, "torchvision: its networks have a width of 64, but this one has 2",
              {"export", encoder, "--torchvision", at("no.safetensors")});
  check_fails(folder, 2, "say what to write: --onnx FILE or --torchvision FILE", {"export", encoder});
}

TEST_CASE_FIXTURE(Fixture, "mec export writes ONNX where the build can, and says the graph's input and output") {
  write_foreign(kSmall);
  run({"import", foreign, "--out", encoder});
  check_rows({"export"}, {"source", "--arch", "--stem", "--width", "--channels", "--size", "--normalization", "--prefix",
                          "--onnx", "--fold", "--pixels", "--image-size", "--torchvision", "--classes"});
  if (!writes_onnx()) return;
  const std::string head = "wrote " + onnx + ": ONNX, opset 13, batch norms ";
  const std::string normalized = " f32, (pixel/255 - mean)/std; mean 0.485,0.456,0.406, std 0.229,0.224,0.225\n";
  CHECK(run({"export", encoder, "--onnx", onnx}) ==
        head + "folded\n  input:  images (batch,3,height,width)" + normalized + "  output: features (batch,16) f32\n");
  const std::string folded = read_bytes(onnx);
  run({"export", encoder, "--onnx", onnx, "--fold"});
  CHECK(read_bytes(onnx) == folded);  // to the byte
  CHECK(run({"export", encoder, "--onnx", onnx, "--no-fold", "--image-size", "24"}) ==
        head + "kept\n  input:  images (batch,3,24,24)" + normalized + "  output: features (batch,16) f32\n");
  CHECK(run({"export", encoder, "--onnx", onnx, "--pixels"}) ==
        head + "folded\n  input:  pixels (batch,height,width,3) u8, 0 to 255, RGB\n  output: features (batch,16) f32\n");
  CHECK(folded.find("BatchNormalization") == std::string::npos);
  // A file without metadata, by the options that say what it is.
  CHECK(run({"export", foreign, "--arch", "resnet10", "--stem", "cifar", "--width", "2", "--channels", "3", "--prefix",
             "module.backbone", "--size", "20", "--normalization", "cifar10", "--onnx", onnx})
            .find("mean 0.4914,0.4822,0.4465") != std::string::npos);
  CHECK(read_bytes(onnx).find("image_size\x12\x02"
                              "20") != std::string::npos);
  CHECK(folded.find("layer4.0.downsample.0.weight") != std::string::npos);
  check_fails(folder, 1, "it is an ONNX model", {"info", onnx});
  check_fails(folder, 1, "cannot", {"export", encoder, "--onnx", at("missing/x.onnx")});
  check_fails(folder, 2, "--pixels", {"export", encoder, "--torchvision", at("t"), "--pixels"});
}
