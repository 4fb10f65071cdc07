#include "mec/tensor/io/safetensors.h"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "mec/tensor/host_bytes.h"
#include "mec/tensor/io/atomic_file.h"
#include "mec/tensor/io/file_kind.h"
#include "mec/tensor/io/limits.h"
#include "mec/tensor/text.h"

namespace mec {
namespace {

using Json = nlohmann::json;  // an ordered one finds a name by looking at all

constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr const char* kMetadata = "__metadata__";

struct Type {
  const char* name;
  int bits;
  std::optional<Element> element;
};
constexpr std::array<Type, 21> kTypes{{{"F64", 64, Element::f64},
                                       {"F32", 32, Element::f32},
                                       {"F16", 16, Element::f16},
                                       {"BF16", 16, Element::bf16},
                                       {"I64", 64, Element::i64},
                                       {"I32", 32, Element::i32},
                                       {"I16", 16, Element::i16},
                                       {"I8", 8, Element::i8},
                                       {"U64", 64, Element::u64},
                                       {"U32", 32, Element::u32},
                                       {"U16", 16, Element::u16},
                                       {"U8", 8, Element::u8},
                                       {"BOOL", 8, Element::boolean},
                                       {"C64", 64, {}},
                                       {"F8_E5M2", 8, {}},
                                       {"F8_E4M3", 8, {}},
                                       {"F8_E8M0", 8, {}},
                                       {"F6_E2M3", 6, {}},
                                       {"F6_E3M2", 6, {}},
                                       {"F4", 4, {}},
                                       {"F8_E4M3FNUZ", 8, {}}}};

// Looks at the events of a header, before it is parsed: the JSON library keeps the last of two
// equal names, where the second is an error here, and goes as deep as it is led. (Its callbacks
// while it parses would make a header of n tensors take n² steps.)
class CheckedNames : public nlohmann::json_sax<Json> {
 public:
  explicit CheckedNames(const std::string& file) : file_(file) {}

  bool start_object(std::size_t) override { return open(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    check<IoError>(names_.back().insert(name).second, file_, ": the safetensors header has two entries '", name, "'");
    return true;
  }
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool parse_error(std::size_t, const std::string&, const Json::exception&) override { return false; }

 private:
  bool open() {
    names_.emplace_back();
    check<IoError>(std::ssize(names_) <= limits::kJsonDepth, file_, ": the safetensors header is nested more than ",
                   limits::kJsonDepth, " deep");
    return true;
  }
  bool close() {
    names_.pop_back();
    return true;
  }

  const std::string& file_;
  std::vector<std::set<std::string>> names_;  // of the objects and lists that are open
};

Json parse_json(const std::string& text, const std::string& file) {
  CheckedNames names(file);
  static_cast<void>(Json::sax_parse(text, &names));  // stops at a mistake, which parse() tells
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    throw IoError(concat(file, ": the safetensors header is not valid JSON: ", error.what()));
  }
}

bool is_object(const std::string& text) {
  constexpr const char* kSpace = " \t\r\n";
  const auto first = text.find_first_not_of(kSpace), last = text.find_last_not_of(kSpace);
  return first != std::string::npos && text[first] == '{' && text[last] == '}';
}

// IoError unless ok. Where the file is of another format, the error names that format; else it says
// `what` is wrong with the header.
void check_header(bool ok, const std::filesystem::path& path, const std::string& what) {
  if (ok) return;
  const std::string other = describe_other_format(path);
  check<IoError>(other.empty(), path.string(), ": not a safetensors file: it is ", other);
  throw IoError(path.string() + what);
}

Json read_header(InputFile& file, const std::filesystem::path& path) {
  check_header(file.size() >= sizeof(std::uint64_t), path,
               ": not a safetensors file: shorter than the length of a header");
  std::uint64_t length = 0;
  file.read(&length, sizeof(length), "the header's length");
  check_header(length <= limits::kSafetensorsHeader, path,
               concat(": the safetensors header claims ", length, " bytes, above the limit of ", limits::kSafetensorsHeader,
                      ": not a safetensors file, or a damaged one"));
  std::string text(std::min(length, file.remaining()), '\0');
  file.read(text.data(), text.size(), "the header");
  const bool begins = text.starts_with('{');
  check_header(begins || is_object(text), path, ": the safetensors header is not a JSON object");
  check<IoError>(length == text.size(), file.name(), ": the file is truncated: the header takes ",
                 length, " bytes, but ", text.size(), " are left");
  check<IoError>(is_object(text), file.name(),
                 ": the safetensors header is not valid JSON: it does not end with '}'");
  return parse_json(text, file.name());
}

std::map<std::string, std::string> parse_metadata(const Json& header, const std::string& file) {
  std::map<std::string, std::string> metadata;
  const auto found = header.find(kMetadata);
  if (found == header.end() || found->is_null()) return metadata;
  check<IoError>(found->is_object(), file, ": __metadata__ is not a JSON object");
  for (const auto& [key, value] : found->items()) {
    check<IoError>(value.is_string(), file, ": __metadata__ holds strings, but '", key, "' is ",
                   value.type_name());
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

std::vector<std::uint64_t> parse_numbers(const Json& entry, const char* key,
                                         const std::string& where) {
  const auto found = entry.find(key);
  check<IoError>(found != entry.end() && found->is_array(), where, " has no list '", key, "'");
  std::vector<std::uint64_t> numbers;
  for (const auto& number : *found) {
    check<IoError>(number.is_number_unsigned(), where, ": '", key,
                   "' holds something other than whole numbers");
    numbers.push_back(number.get<std::uint64_t>());
  }
  return numbers;
}

const Type& find_type(const Json& entry, const std::string& where) {
  const auto name = entry.find("dtype");
  check<IoError>(name != entry.end() && name->is_string(), where, " has no dtype");
  const auto type = std::ranges::find_if(kTypes, [&](const Type& t) { return *name == t.name; });
  check<IoError>(type != kTypes.end(), where, " has elements of type ", name->get<std::string>(),
                 ", which the format does not know");
  return *type;
}

SafetensorsEntry parse_entry(const std::string& name, const Json& json, const std::string& file) {
  const std::string where = concat(file, ": tensor '", name, "'");
  check<IoError>(json.is_object(), where, " is not described by a JSON object");
  const Type& type = find_type(json, where);
  SafetensorsEntry entry;
  entry.name = name;
  entry.type = type.name;
  entry.element = type.element;

  auto bits = static_cast<std::uint64_t>(type.bits);
  for (const auto size : parse_numbers(json, "shape", where)) {
    check<IoError>(size <= kMost && (size == 0 || bits <= kMost / size), where,
                   " has a shape too large for any file");
    bits *= size;
    entry.sizes.push_back(static_cast<std::int64_t>(size));
  }
  check<IoError>(bits % 8 == 0, where, " takes ", bits, " bits, which is not a whole number of bytes");

  const auto offsets = parse_numbers(json, "data_offsets", where);
  check<IoError>(offsets.size() == 2 && offsets[0] <= offsets[1], where,
                 ": data_offsets are not [begin, end]");
  check<IoError>(offsets[1] - offsets[0] == bits / 8, where, " takes ", bits / 8,
                 " bytes by its shape, but ", offsets[1] - offsets[0], " by its data_offsets");
  entry.begin = offsets[0];
  entry.end = offsets[1];
  return entry;
}

// In the order of their bytes, which they must cover without overlap or hole.
std::vector<SafetensorsEntry> parse_entries(const Json& header, const InputFile& file) {
  std::vector<SafetensorsEntry> entries;
  for (const auto& [name, json] : header.items()) {
    if (name != kMetadata) entries.push_back(parse_entry(name, json, file.name()));
  }
  std::ranges::stable_sort(entries, [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
    return a.begin != b.begin ? a.begin < b.begin
                              : a.end < b.end;  // empty tensors before the one they touch
  });
  std::uint64_t at = 0;
  for (const auto& entry : entries) {
    check<IoError>(
        entry.begin == at, file.name(), ": tensor '", entry.name, "' starts at byte ", entry.begin,
        entry.begin < at ? ", inside the tensor before it, which ends at " : ", after a hole from ",
        at);
    at = entry.end;
  }
  check<IoError>(at <= file.remaining(), file.name(), ": the file is truncated: the tensors take ",
                 at, " bytes, but ", file.remaining(), " are left");
  check<IoError>(at == file.remaining(), file.name(), ": ", file.remaining() - at,
                 " bytes follow the last tensor");
  return entries;
}

const char* type_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::f32: return "F32";
    case Dtype::bf16: return "BF16";
    case Dtype::f64: return "F64";
    case Dtype::u8: return "U8";
    case Dtype::i32: return "I32";
    default: return "I64";
  }
}

std::string quoted(const std::string& text) { return Json(text).dump(); }

// Written as text: the JSON library's destructors take memory, and end the program where there is
// none, as in the middle of a checkpoint.
std::string make_header(const SafetensorsFile& content, const std::vector<const NamedTensor*>& tensors) {
  std::vector<std::string> entries;
  if (!content.metadata.empty()) {
    std::vector<std::string> texts;
    for (const auto& [key, value] : content.metadata) texts.push_back(concat(quoted(key), ':', quoted(value)));
    entries.push_back(concat(quoted(kMetadata), ":{", joined(texts, ","), '}'));
  }
  std::uint64_t at = 0;
  for (const auto* named : tensors) {
    const Tensor& tensor = named->tensor;
    std::vector<std::string> sizes;
    for (const std::int64_t size : tensor.shape().dims()) sizes.push_back(std::to_string(size));
    const std::uint64_t end = at + tensor.bytes();
    entries.push_back(concat(quoted(named->name), ":{\"dtype\":", quoted(type_of(tensor.dtype())), ",\"shape\":[",
                             joined(sizes, ","), "],\"data_offsets\":[", at, ',', end, "]}"));
    at = end;
  }
  return concat('{', joined(entries, ","), '}');
}

}  // namespace

const Tensor* SafetensorsFile::find(const std::string& name) const {
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [&](const auto& named) { return named.name == name; });
  return found == tensors.end() ? nullptr : &found->tensor;
}

std::string shape_text(const SafetensorsEntry& entry) {
  std::string text;
  for (const std::int64_t size : entry.sizes) text += concat(text.empty() ? "" : ",", size);
  return "(" + text + ")";
}

SafetensorsReader::SafetensorsReader(const std::filesystem::path& path) : file_(path) {
  const Json header = read_header(file_, path);
  data_ = file_.size() - file_.remaining();
  metadata_ = parse_metadata(header, file());
  entries_ = parse_entries(header, file_);
}

Tensor SafetensorsReader::read(const SafetensorsEntry& entry, const Device& device) {
  const std::string what = concat("tensor '", entry.name, "'");
  check<IoError>(entry.element.has_value(), file(), ": ", what, " has elements of type ",
                 entry.type, ", which cannot be read; save it as F32, F16 or BF16");
  const Shape shape = to_shape(entry.sizes, concat(file(), ": ", what));
  file_.seek(data_ + entry.begin);
  return read_elements(file_, *entry.element, ByteOrder::little, shape, what, device);
}

SafetensorsFile read_safetensors(const std::filesystem::path& path, const Device& device) {
  SafetensorsReader reader(path);
  SafetensorsFile content{.metadata = reader.metadata(), .tensors = {}};
  for (const SafetensorsEntry& entry : reader.entries())
    content.tensors.push_back({entry.name, reader.read(entry, device)});
  return content;
}

std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& path) {
  return SafetensorsReader(path).metadata();
}

void write_safetensors(const std::filesystem::path& path, const SafetensorsFile& content) {
  std::set<std::string> names;
  std::vector<const NamedTensor*> tensors;
  for (const auto& named : content.tensors) {
    check<ValueError>(static_cast<bool>(named.tensor), "write_safetensors: tensor '", named.name,
                      "' is undefined");
    check<ValueError>(named.name != kMetadata && names.insert(named.name).second,
                      "write_safetensors: the name '", named.name, "' is given twice or reserved");
    tensors.push_back(&named);
  }
  std::stable_sort(tensors.begin(), tensors.end(), [](const NamedTensor* a, const NamedTensor* b) {
    return size_of(a->tensor.dtype()) > size_of(b->tensor.dtype());
  });

  std::string header;
  try {
    header = make_header(content, tensors);
  } catch (const Json::exception& error) {
    throw ValueError(
        concat("write_safetensors: a name or a metadata value is not UTF-8: ", error.what()));
  }
  header.append((8 - header.size() % 8) % 8, ' ');
  const std::uint64_t length = header.size();
  check<ValueError>(length <= limits::kSafetensorsHeader, "write_safetensors: the header takes ", length,
                    " bytes; the format allows ", limits::kSafetensorsHeader);

  AtomicFile file(path);
  file.write(&length, sizeof(length));
  file.write(header);
  for (const auto* named : tensors) file.write(HostBytes(named->tensor).data(), named->tensor.bytes());
  file.commit();
}

}  // namespace mec
