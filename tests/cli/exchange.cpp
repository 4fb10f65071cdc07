// Encoders on their way in and out: mec import and mec export.
#include <dlfcn.h>
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
#ifdef MEC_ONNX_MODULE
#include "mec/nn/onnx/functions.h"
#endif

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
  // A build with the module has to write; one without says so.
  bool writes_onnx() const {
#ifdef MEC_ONNX_MODULE
    return true;
#else
    check_fails(folder, 1, "this build cannot write ONNX files, as ONNX's library was not found when it was configured; ",
                {"export", encoder, "--onnx", onnx});
    return false;
#endif
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
            "others)\n"
            "  strides and pools as in torchvision, epsilon 1e-5 (assumed; the file does not say)\n");
  CHECK(run({"import", encoder, "--out", at("again.safetensors")}).find("assumed") == std::string::npos);
  CHECK(read_safetensors_metadata(encoder).at("mean") == "0.485,0.456,0.406");
  CHECK(read_safetensors_metadata(encoder).at("std") == "0.229,0.224,0.225");
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
  CHECK(info({"--mean", "0.485,0.25,0.125", "--std", "1,0.2,0.3"}).mean == std::vector<double>{0.485, 0.25, 0.125});
  CHECK(info({"--mean", "0.485,0.25,0.125", "--std", "1,0.2,0.3"}).std == std::vector<double>{1, 0.2, 0.3});
  CHECK(info({"--prefix", "module.backbone"}).encoder.arch == "resnet10");
  std::filesystem::remove(encoder);
  check_fails(folder, 1, "there is no ResNet behind 'other.'", {"import", foreign, "--out", encoder, "--prefix", "other"});
  check_fails(folder, 2, "--mean", {"import", foreign, "--out", encoder, "--mean", "1,1,1"});
  check_fails(folder, 1, "is a folder; give the file a name", {"import", foreign, "--out", folder.path().string()});
  check_fails(folder, 1, "these look like pixels of 0 to 255: divide mean and std by 255",
              {"import", foreign, "--out", encoder, "--mean", "123.675,116.28,103.53", "--std", "58.395,57.12,57.375"});
}

TEST_CASE_FIXTURE(Fixture, "of many groups mec import tells 20 and the number of the others") {
  write_foreign(kSmall);
  SafetensorsFile file = read_safetensors(foreign, device);
  for (int i = 0; i < 30; ++i) file.tensors.push_back({concat("head", i), Tensor::zeros({1}, Dtype::f32, device)});
  write_safetensors(foreign, file);
  const std::string said = run({"import", foreign, "--out", encoder});
  CHECK(said.find("head26") != std::string::npos);
  CHECK(said.find("head27") == std::string::npos);
  CHECK(said.find("\nand 11 more\n") != std::string::npos);  // 30 and the projector
}

TEST_CASE_FIXTURE(Fixture, "mec import and mec export never write over what they read, or into a folder") {
  write_foreign({.arch = "resnet10", .stem = Stem::cifar});
  run({"import", foreign, "--out", encoder});
  const std::string before = read_bytes(encoder), link = at("link.safetensors");
  std::filesystem::create_symlink(encoder, link);
  for (const char* option : {"--onnx", "--torchvision"}) {
    for (const std::string& output : {encoder, link, (folder / "." / "encoder.safetensors").string()}) {
      check_fails(folder, 1, "is the file that it reads; write to another one", {"export", encoder, option, output});
    }
    check_fails(folder, 1, "is a folder; give the file a name: ", {"export", encoder, option, folder.path().string()});
  }
  check_fails(folder, 1, "is the file that it reads", {"import", encoder, "--out", link});
  CHECK(read_bytes(encoder) == before);
  check_fails(folder, 2, "--onnx and --torchvision name one file", {"export", encoder, "--onnx", onnx, "--torchvision", onnx});
  check_fails(folder, 2, "--onnx and --torchvision name one file",
              {"export", encoder, "--onnx", onnx, "--torchvision", (folder / "." / "x.onnx").string()});
  // Half an export: neither file where one cannot be written or made.
  check_fails(folder, 1, "", {"export", encoder, "--onnx", onnx, "--torchvision", at("missing/tv.safetensors")});
  check_fails(folder, 1, "", {"export", encoder, "--onnx", at("missing/x.onnx"), "--torchvision", at("tv.safetensors")});
  write_foreign(kSmall);
  run({"import", foreign, "--out", encoder});
  check_fails(folder, 1, "torchvision: its networks",
              {"export", encoder, "--onnx", onnx, "--torchvision", at("tv.safetensors")});
}

TEST_CASE_FIXTURE(Fixture, "mec export writes what torchvision loads, and says the Python that does") {
  write_foreign({.arch = "resnet10", .in_channels = 1, .stem = Stem::cifar});
  run({"import", foreign, "--out", encoder});
  const std::string tv = at("tv.safetensors");
  const std::string make =
      "import safetensors.torch\nimport torch\nimport torchvision\nnet = "
      "torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1])\n"
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
  const std::string quoted = at("it's \\ one.safetensors"), odd = at("two\nlines\xff.safetensors");
  const auto loads = [&](const std::string& path) {
    const std::string said = run({"export", encoder, "--torchvision", path, "--classes", "0"});
    return said.substr(said.find("load_file("));
  };
  CHECK(loads(quoted) == "load_file('" + folder.path().string() + "/it\\'s \\\\ one.safetensors'), strict=True)\n");
  CHECK(loads(odd) ==
        "load_file(os.fsdecode(b'" + folder.path().string() + "/two\\x0alines\\xff.safetensors')), strict=True)\n");

  write_foreign(kSmall);
  run({"import", foreign, "--out", encoder});
  check_fails(folder, 1, "torchvision: its networks have a width of 64, but this one has 2",
              {"export", encoder, "--torchvision", at("no.safetensors")});
  check_fails(folder, 2, "say what to write: --onnx FILE or --torchvision FILE", {"export", encoder});
}

#ifdef MEC_ONNX_MODULE
TEST_CASE("the ONNX module serves the program of its own build alone") {
  void* const module = dlopen(MEC_ONNX_MODULE, RTLD_NOW | RTLD_LOCAL);
  REQUIRE(module);
  const auto serialize = reinterpret_cast<SerializeOnnx>(dlsym(module, kSerializeOnnxSymbol));
  REQUIRE((serialize != nullptr));
  const OnnxGraph graph;
  const char* const failure = serialize(
      &graph, "0.1 1", [](void*, const char*, std::size_t) {}, nullptr);
  REQUIRE(failure);
  CHECK(failure == concat("mec_onnx.so is of build ", kOnnxBuild,
                          ", but the program is of build 0.1 1; install program and module from one build"));
}
#endif

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
