#include "mec/tensor/io/file_kind.h"

#include <doctest/doctest.h>

#include "mec/tensor/devices.h"
#include "mec/tensor/io/npy.h"
#include "mec/tensor/io/safetensors.h"
#include "support/paths.h"
#include "tensor/io_files.h"

using namespace mec;
using namespace mec::test;
using namespace std::string_literals;

namespace {

std::string error_of(const std::filesystem::path& path) {
  try {
    read_safetensors(path, make_reference_device());
  } catch (const IoError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a file of another format is named in place of weights") {
  const TempFolder folder;
  const std::vector<std::pair<std::string, std::string>> files{
      {"", "it is empty"},
      {"\x93NUMPY\x01\0v\0{'descr': '<f4'"s, "it is a NumPy array (.npy)"},
      {"GGUF\3\0\0\0\0\0\0\0"s, "it is a GGUF file"},
      {"\x89HDF\r\n\x1a\n\0\0\0\0"s, "it is an HDF5 file"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 46830571\n",
       "it is a Git LFS pointer"},
      {"\n <!DOCTYPE html>\n<html lang=\"en\">", "it is a web page (HTML)"},
      {"<HTML><body>404", "it is a web page (HTML)"},
      {"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "it is an XML text"},
      {"{\"metadata\": {}, \"weight_map\": {\"conv1.weight\": \"a-00001-of-2.safetensors\"}}",
       "it is the index of weights that lie in several files"},
      {"{\"error\": \"not found\"}", "it is a JSON text"},
      {"Entry not found", "it is a text"},
      {"\x1f\x8b\x08\0\0\0\0\0"s, "it is compressed with gzip"},
      {"\x28\xb5\x2f\xfd\0\0\0\0\0"s, "it is compressed with zstd"},
      {std::string(257, 'a') + "ustar\0"s, "it is a tar archive"},
      {std::string(5000, '\0'), "it is nothing but zeros"},
      {"\x08\x07\x12\x07pytorch\x1a\x05"s, "it is an ONNX model"},
      {"\x80\x04\x95\x20\0\0\0\0\0\0\0"s, "it is a Python pickle"},
      {"PK\3\4\x14\0\0\0name.txt"s + "PK\5\6"s + std::string(18, '\0'),
       "it is a zip archive; unpack it first"},
      {"PK\3\4\x14\0\0\0weight.npy"s + "PK\5\6"s + std::string(18, '\0'),
       "it is several NumPy arrays (.npz)"},
      {"PK\3\4\x14\0\0\0name.txt"s, "it is a zip archive that is cut short"}};
  for (const auto& file : files) {
    const std::string& kind = file.second;
    CAPTURE(kind);
    write_bytes(folder / "weights.safetensors", file.first);
    const std::string error = error_of(folder / "weights.safetensors");
    CAPTURE(error);
    CHECK(error.find("weights.safetensors: not a safetensors file: " + kind) != std::string::npos);
  }
  write_bytes(folder / "model.onnx", "\x08\x08:\x80\x80\1"s);
  CHECK(error_of(folder / "model.onnx").find("it is an ONNX model") != std::string::npos);
}

TEST_CASE("PyTorch's files are named with the Python that converts them") {
  const std::filesystem::path folder = source_dir() / "tests/cases/weights_from_elsewhere";
  for (const char* name : {"zip.pth", "legacy.pth"}) {
    CAPTURE(name);
    const std::string error = error_of(folder / name), path = (folder / name).string();
    CAPTURE(error);
    const std::string stem = path.substr(0, path.size() - 4);
    CHECK(error ==
          concat(path, ": not a safetensors file: it is a PyTorch file (.pth, .pt, .ckpt); convert it: python3 ",
                 "pth_to_safetensors.py '", path, "' '", stem,
                 ".safetensors' (the script is in mec's tools/ and, where it is installed, in share/mec/)"));
  }
  const std::string script = error_of(folder / "script.pt");
  CHECK(script.find("it is a TorchScript file; convert it: ") != std::string::npos);
  CHECK(script.find("torch.jit.load(sys.argv[1], map_location='cpu').state_dict()") !=
        std::string::npos);

  const TempFolder cut;
  write_bytes(cut / "cut.pth", read_bytes(folder / "zip.pth").substr(0, 500));
  CHECK(error_of(cut / "cut.pth")
            .find("it is a PyTorch file (.pth, .pt, .ckpt) that is cut short; fetch it again") !=
        std::string::npos);
  write_bytes(cut / "it's.pth", read_bytes(folder / "legacy.pth"));
  CHECK(error_of(cut / "it's.pth").find("/it'\\''s.safetensors'") != std::string::npos);
}

TEST_CASE(
    "weights in place of an array are named, and damaged files are not taken for other formats") {
  const TempFolder folder;
  const Device device = make_reference_device();
  const auto path = folder / "x";
  write_safetensors(path, {{}, {{"a", Tensor::zeros({2}, Dtype::f32, device)}}});
  CHECK_THROWS_WITH_AS(read_npy(path, device),
                       doctest::Contains("not an npy file: it is a safetensors file"), IoError);
  const std::string whole = read_bytes(path);
  write_bytes(path, whole.substr(0, whole.size() - 1));
  CHECK(error_of(path).find("the file is truncated") != std::string::npos);
  write_bytes(path, whole.substr(0, 20));
  CHECK(error_of(path).find("the file is truncated: the header takes") != std::string::npos);
  write_bytes(path, "\x01\x02\x03\x04\x05\x06\x07\xff garbage");
  CHECK(error_of(path).find("not a safetensors file, or a damaged one") != std::string::npos);
}
