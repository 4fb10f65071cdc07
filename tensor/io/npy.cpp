#include "mec/tensor/io/npy.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mec/tensor/io/elements.h"
#include "mec/tensor/io/file_kind.h"
#include "mec/tensor/io/input_file.h"
#include "mec/tensor/io/limits.h"

namespace mec {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);

struct NpyType {
  const char* descr;  // without the byte order
  Element element;
};
constexpr std::array<NpyType, 12> kTypes{{{"f2", Element::f16},
                                          {"f4", Element::f32},
                                          {"f8", Element::f64},
                                          {"b1", Element::boolean},
                                          {"i1", Element::i8},
                                          {"i2", Element::i16},
                                          {"i4", Element::i32},
                                          {"i8", Element::i64},
                                          {"u1", Element::u8},
                                          {"u2", Element::u16},
                                          {"u4", Element::u32},
                                          {"u8", Element::u64}}};

// Kinds of NumPy that no tensor holds, by the first letter after the byte order.
constexpr std::array<std::pair<char, const char*>, 8> kOtherKinds{{{'c', "complex numbers"},
                                                                   {'O', "Python objects"},
                                                                   {'S', "strings"},
                                                                   {'a', "strings"},
                                                                   {'U', "strings"},
                                                                   {'M', "dates"},
                                                                   {'m', "durations"},
                                                                   {'V', "raw bytes"}}};

struct NpyHeader {
  std::optional<std::string> descr;
  std::optional<bool> fortran_order;
  std::optional<std::vector<std::int64_t>> shape;
};

// Parses the header, a Python dict literal: {'descr': '<f4', 'fortran_order': False, 'shape': (3,
// 4), }.
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
        require(peek() != '[',
                "its elements are records (a structured dtype); save each field as an array of its "
                "own");
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
  void require(bool ok, const char* what) const {
    check<IoError>(ok, file_, ": not a readable npy file: ", what);
  }

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
    if (peek() == 'u') ++at_;  // as Python 2 wrote text
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
    for (const auto& [word, value] :
         {std::pair<std::string_view, bool>{"True", true}, {"False", false}}) {
      if (text_.substr(at_, word.size()) == word) {
        at_ += word.size();
        return value;
      }
    }
    require(false, "fortran_order is neither True nor False");
    return false;
  }

  // Sizes with a comma after each, which the last of several may lack.
  std::vector<std::int64_t> tuple() {
    std::vector<std::int64_t> values;
    expect('(');
    while (!accept(')')) {
      values.push_back(size());
      if (accept(',')) continue;
      require(values.size() > 1, "the shape is not a tuple of sizes");
      expect(')');
      break;
    }
    return values;
  }

  std::int64_t size() {
    require(std::isdigit(static_cast<unsigned char>(peek())), "the shape is not a tuple of sizes");
    std::int64_t value = 0;
    for (; at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])); ++at_) {
      require(value < std::numeric_limits<std::int64_t>::max() / 10 - 1,
              "a size in the shape is too large");
      value = value * 10 + (text_[at_] - '0');
    }
    if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // as Python 2 wrote long integers
    return value;
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0;
};

std::string read_header(InputFile& file, const std::filesystem::path& path) {
  std::array<char, 8> start{};
  if (file.size() >= start.size())
    file.read(start.data(), start.size(), "the magic of an npy file");
  const std::string_view magic(start.data(), kMagic.size());
  if (magic != kMagic) {
    const std::string other = describe_other_format(path);
    check<IoError>(other.empty(), file.name(), ": not an npy file: it is ", other);
    throw IoError(file.name() + ": not an npy file: it does not start with \\x93NUMPY");
  }
  const int version = static_cast<unsigned char>(start[6]);
  check<IoError>(version >= 1 && version <= 3, file.name(), ": npy version ", version,
                 " is unknown; 1, 2 and 3 are read");

  std::uint32_t length = 0;  // two bytes in version 1, four after it
  file.read(&length, version == 1 ? 2 : 4, "the header's length");
  check<IoError>(length <= limits::kNpyHeader, file.name(), ": the npy header claims ", length, " bytes; at most ",
                 limits::kNpyHeader, " are read");
  std::string header(length, '\0');
  file.read(header.data(), length, "the header");
  return header;
}

const char* descr_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::f64: return "<f8";
    case Dtype::u8: return "|u1";
    case Dtype::i32: return "<i4";
    case Dtype::i64: return "<i8";
    default: return "<f4";
  }
}

Element element_of(std::string_view type, const std::string& descr, const std::string& file) {
  for (const auto& known : kTypes) {
    if (type == known.descr) return known.element;
  }
  for (const auto& [letter, kind] : kOtherKinds) {
    check<IoError>(type.empty() || type[0] != letter, file, ": elements of type '", descr, "' are ",
                   kind, "; whole and floating numbers are read");
  }
  throw IoError(concat(file, ": elements of type '", descr,
                       "' are not supported; f2, f4, f8, i1 to i8, u1 to u8 and b1 are"));
}

// t has the elements of `shape` in Fortran order, where the first index runs fastest. Returns them
// in C order.
Tensor from_fortran_order(const Tensor& t, const Shape& shape) {
  const auto bytes = static_cast<std::size_t>(size_of(t.dtype()));
  std::vector<std::byte> from(t.bytes()), to(t.bytes());
  t.download(from.data());
  std::array<std::int64_t, Shape::kMaxRank> index{};
  for (std::int64_t at = 0; at < shape.numel(); ++at) {  // in the order of the file
    std::int64_t target = 0;
    for (int i = 0; i < shape.rank(); ++i)
      target = target * shape[i] + index[static_cast<std::size_t>(i)];
    std::copy_n(from.data() + static_cast<std::size_t>(at) * bytes, bytes,
                to.data() + static_cast<std::size_t>(target) * bytes);
    for (int i = 0; i < shape.rank() && ++index[static_cast<std::size_t>(i)] == shape[i]; ++i) {
      index[static_cast<std::size_t>(i)] = 0;
    }
  }
  return Tensor::from_bytes(to.data(), shape, t.dtype(), t.device());
}

}  // namespace

Tensor read_npy(const std::filesystem::path& path, const Device& device) {
  InputFile file(path);
  const std::string text = read_header(file, path);
  const NpyHeader header = HeaderParser(text, file.name()).parse();
  check<IoError>(header.descr && header.fortran_order && header.shape, file.name(),
                 ": the npy header lacks one of 'descr', 'fortran_order' and 'shape'");

  const std::string& descr = *header.descr;
  const bool has_order =
      !descr.empty() && std::string_view("<>=|").find(descr[0]) != std::string_view::npos;
  const Element element =
      element_of(std::string_view(descr).substr(has_order ? 1 : 0), descr, file.name());
  const ByteOrder order = descr[0] == '>' ? ByteOrder::big : ByteOrder::little;
  const Shape shape = to_shape(*header.shape, file.name() + ": the array");
  const auto bytes = static_cast<std::uint64_t>(shape.numel() * size_of(element));
  check<IoError>(bytes >= file.remaining(), file.name(), ": ", file.remaining() - bytes,
                 " bytes follow the array; a file holds one array");
  check<IoError>(bytes <= file.remaining(), file.name(),
                 ": the file is truncated: the array takes ", bytes, " bytes, but ",
                 file.remaining(), " are left");
  const Tensor values = read_elements(file, element, order, shape, "the array", device);
  return *header.fortran_order && shape.rank() > 1 ? from_fortran_order(values, shape) : values;
}

void write_npy(const std::filesystem::path& path, const Tensor& tensor) {
  AtomicFile file(path);
  write_npy(file, tensor);
  file.commit();
}

void write_npy(AtomicFile& file, const Tensor& tensor) {
  check<ValueError>(static_cast<bool>(tensor), "write_npy: ", file.target().string(),
                    ": the tensor is undefined");
  const Tensor source = tensor.dtype() == Dtype::bf16 ? tensor.to(Dtype::f32) : tensor;
  const std::string descr = descr_of(source.dtype());
  std::string shape;
  for (const auto size : source.shape().dims()) shape += concat(shape.empty() ? "" : ", ", size);
  if (source.rank() == 1) shape += ",";
  std::string header =
      concat("{'descr': '", descr, "', 'fortran_order': False, 'shape': (", shape, "), }");
  const std::size_t prefix = kMagic.size() + 4;
  header.append(63 - (prefix + header.size()) % 64,
                ' ');  // with the newline, the values start at a multiple of 64
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
