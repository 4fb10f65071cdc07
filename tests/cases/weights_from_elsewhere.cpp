// Weights as other programs leave them: half precision, prefixes, heads, headers of other writers,
// PyTorch's own files. make.py beside this folder's files wrote them with PyTorch.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "mec/nn/files/weights.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/io/npy.h"
#include "mec/tensor/io/safetensors.h"
#include "support/paths.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

namespace {

std::filesystem::path sample(const std::string& name) {
  return source_dir() / "tests/cases/weights_from_elsewhere" / name;
}

// The same file behind other names, or with other words in its header.
void rename_tensors(const std::filesystem::path& path, const std::string& prefix) {
  SafetensorsFile file = read_safetensors(sample("f32.safetensors"), make_reference_device());
  for (NamedTensor& t : file.tensors) t.name = prefix + t.name;
  file.tensors.push_back(
      {"classifier.weight", Tensor::zeros({2, 8}, Dtype::f32, make_reference_device())});
  file.tensors.push_back(
      {"classifier.bias", Tensor::zeros({2}, Dtype::f32, make_reference_device())});
  write_safetensors(path, file);
}
void change_header(const std::filesystem::path& path, const std::string& from,
                   const std::string& to) {
  std::string bytes = read_bytes(sample("f32.safetensors"));
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  bytes.replace(bytes.find(from), from.size(), to);
  length += to.size() - from.size();
  std::memcpy(bytes.data(), &length, sizeof length);
  write_bytes(path, bytes);
}

struct Fixture {
  ArrayFixture arrays;
  std::string images = arrays.write_random("images.npy", {5, 8, 8, 3}, 3);

  std::vector<std::string> embed(const std::filesystem::path& weights,
                                 const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments{"embed",    weights.string(), "--arch",  "resnet10",
                                       "--stem",   "cifar",          "--width", "1",
                                       "--images", images,           "--out",   arrays.at("f.npy")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  // The features, and what was said on stderr.
  std::pair<std::vector<float>, std::string> features(
      const std::filesystem::path& weights, const std::vector<std::string>& more = {}) const {
    const ProgramResult result = run_program(arrays.folder, embed(weights, more));
    CAPTURE(result.err);
    REQUIRE(result.status == 0);
    return {read_npy(arrays.at("f.npy"), arrays.device).to_vector<float>(), result.err};
  }
};

}  // namespace

TEST_CASE_FIXTURE(
    Fixture,
    "weights in f16, bf16 and f64 give the features of the f32 file that PyTorch made of them") {
  const auto [expected, said] = features(sample("f32.safetensors"));
  CHECK(said.empty());
  CHECK(std::ranges::any_of(expected, [](float v) { return v > 0.01F; }));
  for (const char* name : {"f16.safetensors", "bf16.safetensors", "f64.safetensors"}) {
    CAPTURE(name);
    const auto [found, nothing] = features(sample(name));
    CHECK(found == expected);
    CHECK(nothing.empty());
  }
}

TEST_CASE_FIXTURE(
    Fixture, "metadata of null, spaces around the header and a header of an odd length are read") {
  const std::filesystem::path weights = arrays.folder / "w.safetensors";
  const auto expected = features(sample("f32.safetensors")).first;
  const std::string first = read_bytes(sample("f32.safetensors")).substr(8, 20);
  const std::string rest = first.substr(1);
  for (const std::string& header :
       {"{\"__metadata__\":null," + rest, "   " + first, "{\"__metadata__\": {}, " + rest}) {
    CAPTURE(header);
    change_header(weights, first, header);
    CHECK(features(weights).first == expected);
  }
}

TEST_CASE_FIXTURE(Fixture,
                  "a prefix common to all names is taken off and said, with what was left out") {
  const std::filesystem::path weights = arrays.folder / "w.safetensors";
  const auto expected = features(sample("f32.safetensors")).first;
  for (const std::string prefix : {"backbone.", "module.", "encoder.", "model.encoder.q."}) {
    CAPTURE(prefix);
    rename_tensors(weights, prefix);
    const auto [found, said] = features(weights);
    CHECK(found == expected);
    CHECK(said == "mec: " + weights.string() + ": '" + prefix +
                      "' is taken off the names; 2 tensors are not of the encoder and left out "
                      "(classifier.weight, ...)\n");
    CHECK(features(weights, {"--prefix", prefix}).first == expected);
  }
  rename_tensors(weights, "");
  const auto [found, said] = features(weights);
  CHECK(found == expected);
  CHECK(said == "mec: " + weights.string() +
                    ": 2 tensors are not of the encoder and left out (classifier.weight, ...)\n");
}

TEST_CASE_FIXTURE(Fixture,
                  "weights that do not fit are one short line, and mec info lists the file") {
  const std::filesystem::path weights = arrays.folder / "w.safetensors";
  rename_tensors(weights, "backbone.");
  std::vector<std::string> arguments = embed(weights);
  arguments[7] = "2";  // the width
  const ProgramResult result = run_program(arrays.folder, arguments);
  CAPTURE(result.err);
  CHECK(result.status == 1);
  CHECK(result.err.size() < 300);
  CHECK(result.err ==
        "error: " + weights.string() +
            ": the weights do not fit the network (names behind 'backbone.'): 60 of another shape "
            "(backbone.conv1.weight is (1,3,3,3), but (2,3,3,3) here); mec info FILE lists them\n");
  const ProgramResult info = run_program(arrays.folder, {"info", weights.string()});
  CHECK(info.status == 0);
  CHECK(info.out.find("tensors: 74\n") != std::string::npos);
  CHECK(info.out.find("backbone.layer3.0.downsample.0.weight               F32  (4,2,1,1)\n") !=
        std::string::npos);
  CHECK(info.out.find("backbone.bn1.num_batches_tracked                    I64  ()\n") !=
        std::string::npos);
  CHECK(run_program(arrays.folder, {"info", sample("f16.safetensors").string()})
            .out.find("F16  (1,3,3,3)\n") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture,
                  "a PyTorch file is told from a damaged one, with a line that converts it") {
  for (const char* name : {"zip.pth", "legacy.pth"}) {
    CAPTURE(name);
    const std::string path = sample(name).string(),
                      target = path.substr(0, path.size() - 4) + ".safetensors";
    check_fails(arrays.folder, 1,
                path +
                    ": not a safetensors file: it is a PyTorch file (.pth, .pt, .ckpt); convert "
                    "it: python3 pth_to_safetensors.py '" +
                    path + "' '" + target +
                    "' (the script is in mec's tools/ and, where it is installed, in share/mec/)\n",
                embed(path));
  }
  check_fails(arrays.folder, 1, "it is a TorchScript file", embed(sample("script.pt")));
}

TEST_CASE_FIXTURE(
    Fixture,
    "sizes out of range are refused with the limit, in the metadata and on the command line") {
  const std::filesystem::path weights = arrays.folder / "w.safetensors";
  const auto explained = [&](const std::string& key, const std::string& value) {
    SafetensorsFile file = read_safetensors(sample("f32.safetensors"), arrays.device);
    file.metadata = {{"mec_format", "1"},     {"arch", "resnet10"}, {"stem", "cifar"},
                     {"width", "1"},          {"in_channels", "3"}, {"image_size", "8"},
                     {"mean", "0.5,0.5,0.5"}, {"std", "1,1,1"}};
    file.metadata.at(key) = value;
    write_safetensors(weights, file);
    return std::vector<std::string>{"embed", weights.string(), "--images",
                                    images,  "--out",          arrays.at("f.npy")};
  };
  CHECK(run_program(arrays.folder, explained("image_size", "8")).status == 0);
  std::filesystem::remove(arrays.at("f.npy"));
  check_fails(arrays.folder, 1,
              "w.safetensors: weights: image_size is 1 to 16384 pixels on a side, but is 100000",
              explained("image_size", "100000"));
  check_fails(arrays.folder, 1, "image_size is 1 to 16384 pixels on a side, but is 300000000",
              explained("image_size", "300000000"));
  check_fails(arrays.folder, 1, "'image_size' in the metadata is one number from 1, not '0'",
              explained("image_size", "0"));
  check_fails(arrays.folder, 1, "width and in_channels are 1 to 8192, but are 1000000000 and 3",
              explained("width", "1000000000"));
  check_fails(arrays.folder, 1, "unknown arch 'vit'", explained("arch", "vit"));
  check_fails(arrays.folder, 1, "standard deviations are positive and finite, but are 1,0,1",
              explained("std", "1,0,1"));
  check_fails(arrays.folder, 1, "means are finite, but are 0,nan,0", explained("mean", "0,nan,0"));
  check_fails(arrays.folder, 2, "--size: must be from 1 to 16384, but is 300000000",
              embed(weights, {"--size", "300000000"}));
}
