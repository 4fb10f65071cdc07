#include "mec/tensor/io/safetensors.h"

#include <doctest/doctest.h>

#include "mec/tensor/devices.h"
#include "tensor/io_files.h"

using namespace mec;
using namespace mec::test;

namespace {

std::string safetensors(const std::string& header, const std::string& values) {
  std::string file(8, '\0');
  for (std::size_t i = 0; i < 4; ++i) file[i] = static_cast<char>(header.size() >> (8 * i));
  return file + header + values;
}

// One F32 tensor of two numbers with the given data_offsets.
std::string entry(const char* name, const char* offsets) {
  return concat("\"", name, "\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":", offsets, "}");
}

std::string object(const std::string& entries) { return concat("{", entries, "}"); }

// A header, and how many bytes of values follow it.
struct Header {
  std::string text;
  std::size_t bytes;
};

// A header of one tensor.
std::string one(const std::string& type, const std::string& shape, const std::string& offsets,
                const std::string& more = "") {
  return concat("{\"a\":{\"dtype\":\"", type, "\",\"shape\":", shape, ",\"data_offsets\":", offsets,
                more, "}}");
}

const std::string kA = entry("a", "[0,8]"), kB = entry("b", "[8,16]");

// What Python's safetensors 0.8.0 said of each, by safe_open.
const std::vector<Header> kAccepted{
    {"{\"__metadata__\":null," + kA + "}", 8},
    {"{\"__metadata__\":{}," + kA + "}", 8},
    {object(kA) + "    ", 8},
    {object(kA) + "\n\t\r ", 8},
    {"  " + object(kA), 8},
    {object(kA) + " ", 8},  // a header of an odd length: values that are not aligned
    {"{}", 0},
    {one("F32", "[2]", "[0,8]", ",\"extra\":[1]"), 8},
    {one("F32", "[0]", "[0,0]"), 0},
    {one("F32", "[]", "[0,4]"), 4},
    {object(kA + "," + kB + ",\"z\":{\"dtype\":\"F32\",\"shape\":[0,5],\"data_offsets\":[8,8]}"),
     16},
    {object("\"u\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}," + entry("a", "[1,9]")),
     9},
    {one("F32", "[1,1,1,1,1,1,2]", "[0,8]"), 8},
    {one("F4", "[16]", "[0,8]"), 8},
    {one("C64", "[1]", "[0,8]"), 8},
    {"{\"\\u0061\":{\"dtype\":\"BOOL\",\"shape\":[8],\"data_offsets\":[0,8]}}", 8}};

const std::vector<Header> kRefused{
    {"{\"__metadata__\":[]," + kA + "}", 8},
    {"{\"__metadata__\":\"x\"," + kA + "}", 8},
    {"{\"__metadata__\":{\"k\":null}," + kA + "}", 8},
    {"{\"__metadata__\":{\"k\":{}}," + kA + "}", 8},
    {"{\"__metadata__\":{},\"__metadata__\":{}," + kA + "}", 8},
    {object(kA) + std::string(2, '\0'), 8},
    {object(kA) + "x", 8},
    {"\xef\xbb\xbf" + object(kA), 8},
    {"", 0},
    {"null", 0},
    {object(kA + "," + entry("b", "[0,8]")), 8},
    {object(kA + ",\"z\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]}"), 8},
    {one("F32", "[2.0]", "[0,8]"), 8},
    {one("F32", "[2e0]", "[0,8]"), 8},
    {one("F32", "[-0]", "[0,0]"), 0},
    {one("F32", "null", "[0,8]"), 8},
    {one("F32", "[2]", "[0,8,9]"), 8},
    {one("F32", "[18446744073709551616]", "[0,8]"), 8},
    {one("F4", "[15]", "[0,8]"), 8},
    {one("f32", "[2]", "[0,8]"), 8},
    {one("F32", "[2]", "[0,8]", ",\"dtype\":\"F32\""), 8},
    {one("F32", "[2]", "[0,8]", ",\"x\":" + std::string(200, '[') + std::string(200, ']')), 8},
    {object(entry("\xff", "[0,8]")), 8},
    {object(entry("\\ud800", "[0,8]")), 8},
    {"{/**/" + kA + "}", 8},
    {"{" + kA + ",}", 8},
    {"{\"a\":null}", 0}};

struct Fixture {
  TempFolder folder;
  std::filesystem::path path = folder / "x.safetensors";
  Device device = make_reference_device();
  SafetensorsFile read(const std::string& content) const {
    write_bytes(path, content);
    return read_safetensors(path, device);
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a file in the published layout is read in the order of its bytes") {
  const std::string header =
      "{\"__metadata__\":{\"format\":\"pt\"},"
      "\"late\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[8,11]},"
      "\"early\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]}}  ";
  const std::vector<float> values{1.0F, -2.5F};
  const std::string bytes(reinterpret_cast<const char*>(values.data()), 8);
  const SafetensorsFile file = read(safetensors(header, bytes + "abc"));
  CHECK(file.metadata.at("format") == "pt");
  REQUIRE(file.tensors.size() == 2);
  CHECK(file.tensors[0].name == "early");
  CHECK(file.tensors[0].tensor.shape() == Shape{1, 2});
  CHECK(file.tensors[0].tensor.to_vector<float>() == values);
  CHECK(file.find("late")->to_vector<std::uint8_t>() == std::vector<std::uint8_t>{'a', 'b', 'c'});
  CHECK(file.find("missing") == nullptr);
  CHECK(read_safetensors_metadata(path) == file.metadata);
}

TEST_CASE_FIXTURE(Fixture,
                  "every dtype, an empty tensor, a scalar and metadata come back from a file") {
  SafetensorsFile file;
  file.metadata = {{"arch", "resnet18"}, {"note", "quotes \" and \n and ü"}};
  for (const Dtype dtype :
       {Dtype::u8, Dtype::f32, Dtype::bf16, Dtype::f64, Dtype::i32, Dtype::i64}) {
    file.tensors.push_back({name_of(dtype), Tensor::full({3}, 7, dtype, device)});
  }
  file.tensors.push_back({"empty", Tensor({0, 4}, Dtype::f32, device)});
  file.tensors.push_back({"scalar", Tensor::full({}, 2, Dtype::f32, device)});
  write_safetensors(path, file);
  CHECK(read_bytes(path).find('{') == 8);

  const SafetensorsFile back = read_safetensors(path, device);
  CHECK(back.metadata == file.metadata);
  REQUIRE(back.tensors.size() == file.tensors.size());
  for (const auto& named : file.tensors) {
    CAPTURE(named.name);
    const Tensor& tensor = named.tensor;
    const Tensor* found = back.find(named.name);
    REQUIRE(found != nullptr);
    CHECK(found->dtype() == tensor.dtype());
    CHECK(found->shape() == tensor.shape());
    CHECK(found->to(Dtype::f64).to_vector<double>() == tensor.to(Dtype::f64).to_vector<double>());
  }
}

TEST_CASE_FIXTURE(Fixture,
                  "the header is padded to eight bytes and every tensor aligned to its elements") {
  SafetensorsFile file;
  file.tensors = {{"odd", Tensor::zeros({3}, Dtype::u8, device)},
                  {"b", Tensor::zeros({1}, Dtype::f32, device)},
                  {"a", Tensor::zeros({1}, Dtype::f32, device)},
                  {"wide", Tensor::zeros({1}, Dtype::f64, device)}};
  write_safetensors(path, file);
  const std::string bytes = read_bytes(path);
  CHECK(static_cast<unsigned char>(bytes[0]) % 8 == 0);
  std::vector<std::string> names;
  for (const auto& named : read_safetensors(path, device).tensors) names.push_back(named.name);
  CHECK(names == std::vector<std::string>{"wide", "b", "a", "odd"});
}

TEST_CASE_FIXTURE(Fixture, "headers that do not describe the bytes are refused with the reason") {
  const std::string data(16, 'x');
  const auto refuses = [&](const std::string& header, const char* why, std::size_t bytes = 16) {
    CAPTURE(header);
    CHECK_THROWS_WITH_AS(read(safetensors(header, data.substr(0, bytes))), doctest::Contains(why),
                         IoError);
  };
  refuses(object(entry("a", "[0,8]") + "," + entry("b", "[4,12]")), "inside the tensor before it");
  refuses(object(entry("a", "[0,8]") + "," + entry("b", "[9,17]")), "after a hole");
  refuses(object(entry("a", "[8,16]")), "after a hole");
  refuses(object(entry("a", "[0,8]")), "8 bytes follow the last tensor");
  refuses(object(entry("a", "[0,8]") + "," + entry("b", "[8,16]")), "truncated", 15);
  refuses(object(entry("a", "[0,16]")), "8 bytes by its shape, but 16");
  refuses(object(entry("a", "[8,0]")), "not [begin, end]");
  refuses(object(entry("a", "[0]")), "not [begin, end]");
  refuses(object(entry("a", "[-8,0]")), "other than whole numbers");
  refuses(object(entry("a", "[0,8]") + "," + entry("a", "[8,16]")), "two entries 'a'");
  refuses(
      "{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[16],\"data_offsets\":[0,16]}}",
      "tensor 'a' has elements of type F8_E4M3, which cannot be read; save it as F32, F16 or BF16");
  refuses("{\"a\":{\"dtype\":\"F99\",\"shape\":[8],\"data_offsets\":[0,16]}}",
          "type F99, which the format does not know");
  refuses("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,16]}}",
          "too large");
  refuses("{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,4],\"data_offsets\":[0,16]}}",
          "7 dimensions");
  refuses("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,16]}}", "no list 'shape'");
  refuses("{\"a\":3}", "not described by a JSON object");
  refuses("{\"__metadata__\":{\"a\":3}}", "holds strings");
  refuses("[]", "not a JSON object");
  refuses("{", "not valid JSON");
}

TEST_CASE_FIXTURE(Fixture, "headers are accepted and refused as Python's safetensors does") {
  for (const Header& header : kAccepted) {
    CAPTURE(header.text);
    write_bytes(path, safetensors(header.text, std::string(header.bytes, 'x')));
    CHECK_NOTHROW(SafetensorsReader{path});
  }
  for (const Header& header : kRefused) {
    CAPTURE(header.text);
    write_bytes(path, safetensors(header.text, std::string(header.bytes, 'x')));
    CHECK_THROWS_AS(SafetensorsReader{path}, IoError);
  }
}

TEST_CASE_FIXTURE(
    Fixture,
    "tensors are read in any order, and one that cannot be read does not keep the others") {
  const std::vector<float> values{1.0F, -2.5F};
  const std::string bytes(reinterpret_cast<const char*>(values.data()), 8);
  write_bytes(
      path,
      safetensors(
          object(
              "\"f8\":{\"dtype\":\"F8_E4M3\",\"shape\":[1,1,1,1,1,1,3],\"data_offsets\":[0,3]}," +
              entry("a", "[3,11]") + "," + entry("b", "[11,19]")),
          "xyz" + bytes + bytes));
  SafetensorsReader reader(path);
  REQUIRE(reader.entries().size() == 3);
  CHECK(shape_text(reader.entries()[0]) == "(1,1,1,1,1,1,3)");
  CHECK(reader.read(reader.entries()[2], device).to_vector<float>() == values);
  CHECK(reader.read(reader.entries()[1], device).to_vector<float>() == values);
  CHECK_THROWS_WITH_AS(reader.read(reader.entries()[0], device),
                       doctest::Contains("'f8' has elements of type F8_E4M3"), IoError);
}

TEST_CASE_FIXTURE(Fixture, "a header of very many tensors takes as long as they are many, not their square") {
  std::string header = kA;
  for (int i = 0; i < 400000; ++i) header += concat(",\"t", i, "\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[8,8]}");
  write_bytes(path, safetensors(object(header), "01234567"));
  CHECK(SafetensorsReader(path).entries().size() == 400001);
}

TEST_CASE_FIXTURE(Fixture,
                  "a header longer than the format allows is refused before memory is taken") {
  std::string file(16, '\0');
  file[7] = '\x7f';
  CHECK_THROWS_WITH_AS(read(file), doctest::Contains("above the limit"), IoError);
}

TEST_CASE_FIXTURE(Fixture,
                  "what the format cannot hold is refused on writing, and nothing is written") {
  const Tensor t = Tensor::zeros({1}, Dtype::f32, device);
  CHECK_THROWS_AS(write_safetensors(path, {{}, {{"a", t}, {"a", t}}}), ValueError);
  CHECK_THROWS_AS(write_safetensors(path, {{}, {{"__metadata__", t}}}), ValueError);
  CHECK_THROWS_AS(write_safetensors(path, {{}, {{"a", Tensor{}}}}), ValueError);
  CHECK_THROWS_AS(write_safetensors(path, {{{"key", "\xff"}}, {{"a", t}}}), ValueError);
  CHECK(!std::filesystem::exists(path));
}

TEST_CASE_FIXTURE(Fixture,
                  "a truncated or damaged safetensors file is an error and never a crash") {
  const std::string file =
      safetensors(object(entry("a", "[0,8]") + "," + entry("b", "[8,16]")), "0123456789abcdef");
  const auto read_it = [&] { read_safetensors(path, device); };
  CHECK(read(file).tensors.size() == 2);
  check_every_truncation(path, file, read_it);
  check_every_damaged_byte(path, file, read_it);
}
