#include "mec/tensor/io/npy.h"

#include <array>
#include <cctype>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mec/tensor/io/input_file.h"

namespace mec {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr std::uint64_t kMaxHeader = 1 << 20;  // a header of an array of six dimensions has some 100 bytes

struct NpyType {
  Dtype dtype;
  const char* descr;  // without the byte order
};
constexpr std::array<NpyType, 5> kTypes{
    {{Dtype::f32, "f4"}, {Dtype::f64, "f8"}, {Dtype::u8, "u1"}, {Dtype::i32, "i4"}, {Dtype::i64, "i8"}}};

struct NpyHeader {
  std::optional<std::string> descr;
  std::optional<bool> fortran_order;
  std::optional<std::vector<std::int64_t>> shape;
};

// Parses the header, a Python dict literal: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  NpyHeader parse() {
    NpyHeader header;
    expect('{');
    while (!accept('}')) {
      const std::string key = string();
      expect(':');
      if (key == "descr") {
        require(peek() != '[', "structured arrays are not supported");
        header.descr = string();
      } else if (key == "fortran_order") {
        header.fortran_order = boolean();
      } else if (key == "shape") {
        header.shape = tuple();
      } else {
        require(false, "the header has an unknown key");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    require(peek() == '\0' && at_ == text_.size(), "there is text after the header's dict");
    return header;
  }

 private:
  void require(bool ok, const char* what) const { check<IoError>(ok, file_, ": not a readable npy file: ", what); }

  char peek() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool accept(char c) {
    if (peek() != c || at_ == text_.size()) return false;
    ++at_;
    return true;
  }
  void expect(char c) { require(accept(c), "the header is not the dict that NumPy writes"); }

  std::string string() {
    const char quote = peek();
    require(quote == '\'' || quote == '"', "the header is not the dict that NumPy writes");
    const auto end = text_.find(quote, ++at_);
    require(end != std::string_view::npos, "a string in the header does not end");
    std::string value(text_.substr(at_, end - at_));
    at_ = end + 1;
    return value;
  }

  bool boolean() {
    peek();
    for (const auto& [word, value] : {std::pair<std::string_view, bool>{"True", true}, {"False", false}}) {
      if (text_.substr(at_, word.size()) == word) {
        at_ += word.size();
        return value;
      }
    }
    require(false, "fortran_order is neither True nor False");
    return false;
  }

  std::vector<std::int64_t> tuple() {
    std::vector<std::int64_t> values;
    expect('(');
    while (!accept(')')) {
      require(std::isdigit(static_cast<unsigned char>(peek())), "the shape is not a tuple of sizes");
      std::int64_t value = 0;
      for (; at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])); ++at_) {
        require(value < std::numeric_limits<std::int64_t>::max() / 10 - 1, "a size in the shape is too large");
        value = value * 10 + (text_[at_] - '0');
      }
      values.push_back(value);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return values;
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0;
};

std::string read_header(InputFile& file) {
  std::array<char, 8> start{};
  file.read(start.data(), start.size(), "the magic of an npy file");
  check<IoError>(std::string_view(start.data(), 6) == kMagic, file.name(),
                 ": not an npy file: it does not start with \\x93NUMPY");
  const int version = static_cast<unsigned char>(start[6]);
  check<IoError>(version >= 1 && version <= 3, file.name(), ": npy version ", version, " is unknown; 1, 2 and 3 are read");

  std::uint32_t length = 0;  // two bytes in version 1, four after it
  file.read(&length, version == 1 ? 2 : 4, "the header's length");
  check<IoError>(length <= kMaxHeader, file.name(), ": the npy header claims ", length, " bytes; at most ", kMaxHeader,
                 " are read");
  std::string header(length, '\0');
  file.read(header.data(), length, "the header");
  return header;
}

Dtype dtype_of_descr(const std::string& descr, const std::string& file) {
  check<IoError>(descr.size() < 2 || descr[0] != '>', file, ": the values are big-endian ('", descr,
                 "'); save little-endian ones, with array.astype(array.dtype.newbyteorder('<'))");
  for (const auto& type : kTypes) {
    if (descr.size() == 3 && (descr[0] == '<' || descr[0] == '|') && descr.substr(1) == type.descr) return type.dtype;
  }
  throw IoError(concat(file, ": elements of type '", descr, "' are not supported; f4, f8, u1, i4 and i8 are"));
}

// The product of the sizes in bytes, or an IoError: a damaged shape must not reach the allocator.
std::uint64_t byte_count(const std::vector<std::int64_t>& shape, Dtype dtype, const InputFile& file) {
  auto bytes = static_cast<std::uint64_t>(size_of(dtype));
  for (const auto size : shape) {
    check<IoError>(size == 0 || bytes <= std::numeric_limits<std::int64_t>::max() / static_cast<std::uint64_t>(size),
                   file.name(), ": the shape in the npy header is too large for any file");
    bytes *= static_cast<std::uint64_t>(size);
  }
  return bytes;
}

}  // namespace

Tensor read_npy(const std::filesystem::path& path, const Device& device) {
  InputFile file(path);
  const std::string text = read_header(file);
  const NpyHeader header = HeaderParser(text, file.name()).parse();
  check<IoError>(header.descr && header.fortran_order && header.shape, file.name(),
                 ": the npy header lacks one of 'descr', 'fortran_order' and 'shape'");
  check<IoError>(!*header.fortran_order || header.shape->size() < 2, file.name(),
                 ": the array is in Fortran order; save it in C order, with numpy.ascontiguousarray");
  check<IoError>(header.shape->size() <= Shape::kMaxRank, file.name(), ": the array has ", header.shape->size(),
                 " dimensions; at most ", Shape::kMaxRank, " are supported");

  const Dtype dtype = dtype_of_descr(*header.descr, file.name());
  const std::uint64_t bytes = byte_count(*header.shape, dtype, file);
  check<IoError>(bytes >= file.remaining(), file.name(), ": ", file.remaining() - bytes, " bytes follow the array");
  check<IoError>(bytes <= file.remaining(), file.name(), ": the file is truncated: the array takes ", bytes, " bytes, but ",
                 file.remaining(), " are left");
  std::vector<std::byte> values(bytes);
  file.read(values.data(), bytes, "the array");
  return Tensor::from_bytes(values.data(), Shape(std::span<const std::int64_t>(*header.shape)), dtype, device);
}

void write_npy(const std::filesystem::path& path, const Tensor& tensor) {
  AtomicFile file(path);
  write_npy(file, tensor);
  file.commit();
}

void write_npy(AtomicFile& file, const Tensor& tensor) {
  check<ValueError>(static_cast<bool>(tensor), "write_npy: ", file.target().string(), ": the tensor is undefined");
  const Tensor source = tensor.dtype() == Dtype::bf16 ? tensor.to(Dtype::f32) : tensor;
  std::string descr;
  for (const auto& type : kTypes) {
    if (type.dtype == source.dtype()) descr = concat(type.dtype == Dtype::u8 ? "|" : "<", type.descr);
  }

  std::string shape;
  for (const auto size : source.shape().dims()) shape += concat(shape.empty() ? "" : ", ", size);
  if (source.rank() == 1) shape += ",";
  std::string header = concat("{'descr': '", descr, "', 'fortran_order': False, 'shape': (", shape, "), }");
  const std::size_t prefix = kMagic.size() + 4;
  header.append(63 - (prefix + header.size()) % 64, ' ');  // with the newline, the values start at a multiple of 64
  header += '\n';

  std::vector<std::byte> values(source.bytes());
  source.download(values.data());
  const auto length = static_cast<std::uint16_t>(header.size());
  file.write(kMagic);
  file.write(std::string_view("\x01\x00", 2));
  file.write(&length, sizeof(length));
  file.write(header);
  file.write(values.data(), values.size());
}

}  // namespace mec
