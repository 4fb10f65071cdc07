#include "mec/tensor/io/file_kind.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <string_view>

#include "mec/tensor/error.h"

namespace mec {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

struct Signature {
  std::size_t at;  // where in the file
  std::string_view bytes;
  const char* kind;
};
constexpr std::array kSignatures{
    Signature{0, "\x93NUMPY"sv, "a NumPy array (.npy)"},
    Signature{0, "GGUF"sv, "a GGUF file, weights of llama.cpp and its like"},
    Signature{0, "\x89HDF\r\n\x1a\n"sv, "an HDF5 file (.h5, Keras and others)"},
    Signature{4, "TFL3"sv, "a TensorFlow Lite model"},
    Signature{0, "version https://git-lfs"sv, "a Git LFS pointer, without the file itself; fetch it with git lfs pull"},
    Signature{0, "\x1f\x8b"sv, "compressed with gzip; uncompress it first"},
    Signature{0, "BZh"sv, "compressed with bzip2; uncompress it first"},
    Signature{0,
              "\xfd"
              "7zXZ\0"sv,
              "compressed with xz; uncompress it first"},
    Signature{0, "\x28\xb5\x2f\xfd"sv, "compressed with zstd; uncompress it first"},
    Signature{0, "7z\xbc\xaf\x27\x1c"sv, "a 7z archive; unpack it first"},
    Signature{257, "ustar"sv, "a tar archive; unpack it first"},
    Signature{0, "MATLAB 5.0"sv, "a MATLAB file (.mat)"},
    Signature{0, "PAR1"sv, "a Parquet table"},
    Signature{0, "\x89PNG"sv, "a PNG picture"},
    Signature{0, "\xff\xd8\xff"sv, "a JPEG picture"},
    Signature{0,
              "\x7f"
              "ELF"sv,
              "a program or a library of programs (ELF)"},
    Signature{0, "%PDF"sv, "a PDF document"}};

// The file's first and last bytes: names of an archive's members stand in both.
struct Ends {
  std::string first, last;
  bool contains(std::string_view text) const {
    return first.find(text) != std::string::npos || last.find(text) != std::string::npos;
  }
};

Ends read_ends(const std::filesystem::path& path) {
  constexpr std::streamoff kFirst = 4096, kLast = 65536;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const std::streamoff size = file.tellg();
  const auto read = [&](std::streamoff from, std::streamoff count) {
    std::string text(static_cast<std::size_t>(std::max<std::streamoff>(count, 0)), '\0');
    file.seekg(from);
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    return text;
  };
  const std::string first = read(0, std::min(size, kFirst));
  return {first, read(std::max<std::streamoff>(size - kLast, 0), std::min(size, kLast))};
}

// Quoted as one word for a shell.
std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? "'\\''"s : std::string(1, c);
  return result + "'";
}

std::filesystem::path converted(std::filesystem::path path) { return path.replace_extension(".safetensors"); }

std::string describe_pytorch(const std::filesystem::path& path) {
  return concat("a PyTorch file (.pth, .pt, .ckpt); convert it: python3 pth_to_safetensors.py ", quoted(path.string()), " ",
                quoted(converted(path).string()), " (the script is in mec's tools/ and, where it is installed, in share/mec/)");
}

std::string describe_zip(const std::filesystem::path& path, const Ends& ends) {
  const bool whole = ends.last.find("PK\5\6") != std::string::npos;  // a zip archive's end
  const bool pytorch = ends.contains("/data.pkl");
  if (!whole) {
    return concat(pytorch ? "a PyTorch file (.pth, .pt, .ckpt)" : "a zip archive", " that is cut short; fetch it again");
  }
  if (pytorch && ends.contains("/code/")) {
    return concat(
        "a TorchScript file; convert it: python3 -c \"import sys, torch, safetensors.torch as s; s.save_file({k: "
        "v.contiguous().clone() for k, v in torch.jit.load(sys.argv[1], map_location='cpu').state_dict().items()}, "
        "sys.argv[2])\" ",
        quoted(path.string()), " ", quoted(converted(path).string()));
  }
  if (pytorch) return describe_pytorch(path);
  if (ends.contains(".npy")) return "several NumPy arrays (.npz); save one of them with numpy.save";
  if (ends.contains("config.json") && ends.contains(".h5")) return "a Keras model (.keras)";
  return "a zip archive; unpack it first";
}

// Files that torch.save wrote before PyTorch 1.6 are pickles that begin with this magic number;
// other pickles begin with their version alone.
std::string describe_pickle(const std::filesystem::path& path, const std::string& first) {
  if (first.substr(2, 12) == "\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"s) return describe_pytorch(path);
  return "a Python pickle, which no program but Python reads; save its arrays with "
         "safetensors.torch or safetensors.numpy";
}

std::string describe_text(std::string text) {
  text.erase(0, std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (text.starts_with("<!doctype html") || text.starts_with("<html")) {
    return "a web page (HTML), as a download leaves that needs a login or another address; fetch "
           "the file itself";
  }
  if (text.starts_with("<?xml")) return "an XML text, as a download that failed leaves it; fetch the file itself";
  if (text.starts_with("{") && text.find("\"weight_map\"") != std::string::npos) {
    return "the index of weights that lie in several files; join them to one with safetensors in "
           "Python";
  }
  if (text.starts_with("{") || text.starts_with("[")) return "a JSON text";
  return "a text";
}

bool is_text(std::string_view bytes) {
  return std::ranges::all_of(bytes, [](unsigned char c) { return c >= ' ' ? c != 0x7f : c != 0 && std::isspace(c); });
}

// Protocol buffers have no signature: the first field is the version, the next one the producer or
// the graph.
bool is_onnx(const std::filesystem::path& path, std::string_view first) {
  if (path.extension() == ".onnx") return true;
  return first.size() > 8 && first[0] == '\x08' && first[1] > 0 && first[1] < 32 && first[2] == '\x12' &&
         std::isalpha(static_cast<unsigned char>(first[4]));
}

}  // namespace

std::string describe_other_format(const std::filesystem::path& path) {
  const Ends ends = read_ends(path);
  const std::string& first = ends.first;
  if (first.empty()) return "empty";
  for (const Signature& signature : kSignatures) {
    if (first.size() > signature.at && std::string_view(first).substr(signature.at).starts_with(signature.bytes)) {
      return signature.kind;
    }
  }
  if (first.starts_with("PK\3\4")) return describe_zip(path, ends);
  if (first.size() > 2 && first[0] == '\x80' && first[1] >= 2 && first[1] <= 5) return describe_pickle(path, first);
  if (first.size() > 9 && first[8] == '{' && first.substr(4, 4) == "\0\0\0\0"s) return "a safetensors file";
  if (is_onnx(path, first)) return "an ONNX model; take its weights out with onnx.numpy_helper in Python";
  if (is_text(first)) return describe_text(first);
  if (std::ranges::all_of(first + ends.last, [](char c) { return c == 0; })) return "nothing but zeros; fetch it again";
  return "";
}

}  // namespace mec
