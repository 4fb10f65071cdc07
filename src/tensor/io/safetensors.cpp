#include "mec/tensor/io/safetensors.h"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "mec/tensor/io/atomic_file.h"
#include "mec/tensor/io/input_file.h"

namespace mec {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kMaxHeader = 100'000'000;  // the limit of the reference implementation
constexpr const char* kMetadata = "__metadata__";

struct TypeName {
  Dtype dtype;
  const char* name;
};
constexpr std::array<TypeName, 6> kTypes{{{Dtype::f32, "F32"},
                                          {Dtype::bf16, "BF16"},
                                          {Dtype::f64, "F64"},
                                          {Dtype::u8, "U8"},
                                          {Dtype::i32, "I32"},
                                          {Dtype::i64, "I64"}}};

struct Entry {
  std::string name;
  Dtype dtype = Dtype::f32;
  Shape shape;
  std::uint64_t begin = 0;  // bytes from the end of the header
  std::uint64_t end = 0;
};

Json parse_json(const std::string& text, const std::string& file) {
  // The library keeps the last of two equal names; here the second is an error.
  std::set<std::string> names;
  const auto reject_duplicates = [&](int depth, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::key && depth == 1) {
      check<IoError>(names.insert(value.get<std::string>()).second, file, ": the safetensors header has two entries '",
                     value.get<std::string>(), "'");
    }
    return true;
  };
  try {
    return Json::parse(text, reject_duplicates);
  } catch (const Json::exception& error) {
    throw IoError(concat(file, ": the safetensors header is not valid JSON: ", error.what()));
  }
}

Json read_header(InputFile& file) {
  std::uint64_t length = 0;
  file.read(&length, sizeof(length), "the header's length");
  check<IoError>(length <= kMaxHeader, file.name(), ": the safetensors header claims ", length, " bytes, above the limit of ",
                 kMaxHeader, ": not a safetensors file, or a damaged one");
  check<IoError>(length <= file.remaining(), file.name(), ": the file is truncated: the header takes ", length, " bytes, but ",
                 file.remaining(), " are left");
  std::string text(length, '\0');
  file.read(text.data(), length, "the header");
  Json header = parse_json(text, file.name());
  check<IoError>(header.is_object(), file.name(), ": the safetensors header is not a JSON object");
  return header;
}

std::map<std::string, std::string> parse_metadata(const Json& header, const std::string& file) {
  std::map<std::string, std::string> metadata;
  const auto found = header.find(kMetadata);
  if (found == header.end()) return metadata;
  check<IoError>(found->is_object(), file, ": __metadata__ is not a JSON object");
  for (const auto& [key, value] : found->items()) {
    check<IoError>(value.is_string(), file, ": __metadata__ holds strings, but '", key, "' is ", value.type_name());
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

std::vector<std::uint64_t> parse_numbers(const Json& entry, const char* key, const std::string& where) {
  const auto found = entry.find(key);
  check<IoError>(found != entry.end() && found->is_array(), where, " has no list '", key, "'");
  std::vector<std::uint64_t> numbers;
  for (const auto& number : *found) {
    check<IoError>(number.is_number_unsigned(), where, ": '", key, "' holds something other than whole numbers");
    numbers.push_back(number.get<std::uint64_t>());
  }
  return numbers;
}

Entry parse_entry(const std::string& name, const Json& json, const std::string& file) {
  const std::string where = concat(file, ": tensor '", name, "'");
  check<IoError>(json.is_object(), where, " is not described by a JSON object");
  const auto type = json.find("dtype");
  check<IoError>(type != json.end() && type->is_string(), where, " has no dtype");
  const auto known = std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeName& t) { return *type == t.name; });
  check<IoError>(known != kTypes.end(), where, " has elements of type ", type->get<std::string>(),
                 "; F32, BF16, F64, U8, I32 and I64 are supported");

  const auto sizes = parse_numbers(json, "shape", where);
  check<IoError>(sizes.size() <= Shape::kMaxRank, where, " has ", sizes.size(), " dimensions; at most ", Shape::kMaxRank,
                 " are supported");
  auto bytes = static_cast<std::uint64_t>(size_of(known->dtype));
  std::vector<std::int64_t> dims;
  for (const auto size : sizes) {
    check<IoError>(size == 0 || bytes <= std::numeric_limits<std::int64_t>::max() / size, where,
                   " has a shape too large for any file");
    bytes *= size;
    dims.push_back(static_cast<std::int64_t>(size));
  }

  const auto offsets = parse_numbers(json, "data_offsets", where);
  check<IoError>(offsets.size() == 2 && offsets[0] <= offsets[1], where, ": data_offsets are not [begin, end]");
  check<IoError>(offsets[1] - offsets[0] == bytes, where, " takes ", bytes, " bytes by its shape, but ",
                 offsets[1] - offsets[0], " by its data_offsets");
  return {.name = name,
          .dtype = known->dtype,
          .shape = Shape(std::span<const std::int64_t>(dims)),
          .begin = offsets[0],
          .end = offsets[1]};
}

// In the order of their bytes, which they must cover without overlap or hole.
std::vector<Entry> parse_entries(const Json& header, const InputFile& file) {
  std::vector<Entry> entries;
  for (const auto& [name, json] : header.items()) {
    if (name != kMetadata) entries.push_back(parse_entry(name, json, file.name()));
  }
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;  // empty tensors before the one they touch
  });
  std::uint64_t at = 0;
  for (const auto& entry : entries) {
    check<IoError>(entry.begin == at, file.name(), ": tensor '", entry.name, "' starts at byte ", entry.begin,
                   entry.begin < at ? ", inside the tensor before it, which ends at " : ", after a hole from ", at);
    at = entry.end;
  }
  check<IoError>(at <= file.remaining(), file.name(), ": the file is truncated: the tensors take ", at, " bytes, but ",
                 file.remaining(), " are left");
  check<IoError>(at == file.remaining(), file.name(), ": ", file.remaining() - at, " bytes follow the last tensor");
  return entries;
}

Json make_header(const SafetensorsFile& content, const std::vector<const NamedTensor*>& tensors) {
  Json header = Json::object();
  if (!content.metadata.empty()) header[kMetadata] = content.metadata;
  std::uint64_t at = 0;
  for (const auto* named : tensors) {
    const Tensor& tensor = named->tensor;
    const auto type = std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeName& t) { return t.dtype == tensor.dtype(); });
    const auto dims = tensor.shape().dims();
    const std::uint64_t end = at + tensor.bytes();
    header[named->name] = {
        {"dtype", type->name}, {"shape", std::vector<std::int64_t>(dims.begin(), dims.end())}, {"data_offsets", {at, end}}};
    at = end;
  }
  return header;
}

}  // namespace

const Tensor* SafetensorsFile::find(const std::string& name) const {
  const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const auto& named) { return named.name == name; });
  return found == tensors.end() ? nullptr : &found->tensor;
}

SafetensorsFile read_safetensors(const std::filesystem::path& path, const Device& device) {
  InputFile file(path);
  const Json header = read_header(file);
  SafetensorsFile content;
  content.metadata = parse_metadata(header, file.name());
  std::vector<std::byte> values;
  for (const auto& entry : parse_entries(header, file)) {
    values.resize(entry.end - entry.begin);
    file.read(values.data(), values.size(), entry.name.c_str());
    content.tensors.push_back({entry.name, Tensor::from_bytes(values.data(), entry.shape, entry.dtype, device)});
  }
  return content;
}

std::map<std::string, std::string> read_safetensors_metadata(const std::filesystem::path& path) {
  InputFile file(path);
  const Json header = read_header(file);
  return parse_metadata(header, file.name());
}

void write_safetensors(const std::filesystem::path& path, const SafetensorsFile& content) {
  std::set<std::string> names;
  std::vector<const NamedTensor*> tensors;
  for (const auto& named : content.tensors) {
    check<ValueError>(static_cast<bool>(named.tensor), "write_safetensors: tensor '", named.name, "' is undefined");
    check<ValueError>(named.name != kMetadata && names.insert(named.name).second, "write_safetensors: the name '", named.name,
                      "' is given twice or reserved");
    tensors.push_back(&named);
  }
  std::stable_sort(tensors.begin(), tensors.end(), [](const NamedTensor* a, const NamedTensor* b) {
    return size_of(a->tensor.dtype()) > size_of(b->tensor.dtype());
  });

  std::string header;
  try {
    header = make_header(content, tensors).dump();
  } catch (const Json::exception& error) {
    throw ValueError(concat("write_safetensors: a name or a metadata value is not UTF-8: ", error.what()));
  }
  header.append((8 - header.size() % 8) % 8, ' ');
  const std::uint64_t length = header.size();
  check<ValueError>(length <= kMaxHeader, "write_safetensors: the header takes ", length, " bytes; the format allows ",
                    kMaxHeader);

  AtomicFile file(path);
  file.write(&length, sizeof(length));
  file.write(header);
  std::vector<std::byte> values;
  for (const auto* named : tensors) {
    values.resize(named->tensor.bytes());
    named->tensor.download(values.data());
    file.write(values.data(), values.size());
  }
  file.commit();
}

}  // namespace mec
