// Values of every element type, as PyTorch and NumPy read them: tests/tensor/formats/make.py.
#include "mec/tensor/io/elements.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include "mec/tensor/devices.h"
#include "mec/tensor/io/npy.h"
#include "mec/tensor/io/safetensors.h"
#include "support/paths.h"
#include "tensor/io_files.h"

using namespace mec;
using namespace mec::test;

namespace {

const Device kDevice = make_reference_device();

SafetensorsFile formats(const std::string& name) {
  return read_safetensors(source_dir() / "tests/tensor/formats" / (name + ".safetensors"), kDevice);
}

// NaN where the other is NaN, and otherwise the same down to the sign of zero.
template <class T> void check_same(const std::vector<T>& found, const std::vector<T>& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    const auto a = static_cast<double>(found[i]), b = static_cast<double>(expected[i]);
    CHECK((std::isnan(a) ? std::isnan(b)
                         : found[i] == expected[i] && std::signbit(a) == std::signbit(b)));
  }
}

void check_same_values(const Tensor& found, const Tensor& expected) {
  CHECK(found.shape() == expected.shape());
  if (expected.dtype() == Dtype::i64) {
    check_same(found.to(Dtype::i64).to_vector<std::int64_t>(), expected.to_vector<std::int64_t>());
  } else {
    check_same(found.to(Dtype::f64).to_vector<double>(),
               expected.to(Dtype::f64).to_vector<double>());
  }
}

// Calls test(name, tensor) for each tensor whose name ends so, without the ending.
template <class Test>
int for_each(const SafetensorsFile& file, const std::string& ending, Test test) {
  int count = 0;
  for (const NamedTensor& named : file.tensors) {
    if (!named.name.ends_with(ending)) continue;
    const std::string name = named.name.substr(0, named.name.size() - ending.size());
    CAPTURE(name);
    test(name, named.tensor);
    ++count;
  }
  return count;
}

Tensor read_npy_bytes(const Tensor& bytes, const TempFolder& folder) {
  const auto content = bytes.to_vector<std::uint8_t>();
  write_bytes(folder / "x.npy", {reinterpret_cast<const char*>(content.data()), content.size()});
  return read_npy(folder / "x.npy", kDevice);
}

}  // namespace

TEST_CASE(
    "half precision, bf16 and small integers are read from weights files as PyTorch converts "
    "them") {
  const SafetensorsFile file = formats("halves");
  const int count = for_each(file, ".values", [&](const std::string& name, const Tensor& expected) {
    const Tensor* found = file.find(name);
    REQUIRE(found != nullptr);
    check_same_values(*found, expected);
  });
  CHECK(count == 6);
  CHECK(file.find("f16")->dtype() == Dtype::f32);
  CHECK(file.find("bf16")->dtype() == Dtype::bf16);
  CHECK(file.find("torch.uint8")->dtype() == Dtype::u8);
  CHECK(file.find("bool")->dtype() == Dtype::i32);
}

TEST_CASE(
    "what NumPy reads from its files is read here: types, byte orders, Fortran order, headers") {
  const SafetensorsFile file = formats("npy");
  const TempFolder folder;
  const int count = for_each(file, ".values", [&](const std::string& name, const Tensor& expected) {
    check_same_values(read_npy_bytes(*file.find(name + ".file"), folder), expected);
  });
  CHECK(count == 40);
}

TEST_CASE(
    "arrays that no tensor holds, and files that NumPy refuses, are refused with the reason") {
  const std::vector<std::pair<std::string, std::string>> reasons{
      {"complex", "elements of type '<c8' are complex numbers"},
      {"record", "records (a structured dtype)"},
      {"object", "'|O' are Python objects"},
      {"bytes", "'|S3' are strings"},
      {"text", "'<U3' are strings"},
      {"date", "'<M8[D]' are dates"},
      {"duration", "'<m8[s]' are durations"},
      {"raw", "'|V3' are raw bytes"},
      {"long_double", "'<f16' are not supported"},
      {"u8_above_i64", "the array holds 9223372036854775808, but whole numbers are read up to"},
      {"rank_7", "the array has 7 dimensions; at most 6"},
      {"not_a_tuple", "the shape is not a tuple of sizes"},
      {"huge", "the array has a shape too large for any file"},
      {"huge_and_empty", "the array has a shape too large for any file"},
      {"negative", "the shape is not a tuple of sizes"},
      {"truncated", "the file is truncated: the array takes 32 bytes, but 31 are left"},
      {"two_arrays", "160 bytes follow the array; a file holds one array"}};
  const SafetensorsFile file = formats("npy");
  const TempFolder folder;
  for (const auto& entry : reasons) {
    const auto& name = entry.first;
    const auto& reason = entry.second;
    CAPTURE(name);
    const Tensor* bytes = file.find("refused." + name + ".file");
    REQUIRE(bytes != nullptr);
    CHECK_THROWS_WITH_AS(read_npy_bytes(*bytes, folder), doctest::Contains(reason.c_str()),
                         IoError);
  }
  const auto refused = std::ranges::count_if(
      file.tensors, [](const NamedTensor& t) { return t.name.starts_with("refused."); });
  CHECK(static_cast<std::size_t>(refused) == reasons.size());
}

#if !defined(__SANITIZE_ADDRESS__)  // which takes terabytes of addresses for itself
TEST_CASE("an array for which there is no memory is an error that says how much it takes") {
  struct Limit {
    rlimit before{};
    Limit() {
      std::uint64_t pages = 0;
      std::ifstream("/proc/self/statm") >> pages;
      REQUIRE(::getrlimit(RLIMIT_AS, &before) == 0);
      rlimit low = before;
      low.rlim_cur = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) + (1U << 29);
      REQUIRE(::setrlimit(RLIMIT_AS, &low) == 0);
    }
    ~Limit() { ::setrlimit(RLIMIT_AS, &before); }
  };
  const TempFolder folder;
  const auto path = folder / "x.npy";
  std::string header = "{'descr': '<f2', 'fortran_order': False, 'shape': (1073741824,)}";
  header.resize(118, ' ');
  write_bytes(path, "\x93NUMPY\x01" + std::string("\0\x76\0", 3) + header);
  std::filesystem::resize_file(path, 128 + (std::uint64_t{2} << 30));  // takes no room on the disk
  const Limit limit;
  void* volatile more = std::malloc(std::size_t{1} << 30);
  if (more) {  // an emulated processor keeps no limits
    std::free(more);
    return;
  }
  const std::string why =
      path.string() + ": the array takes 4294967296 bytes of memory, and there are not as many";
  CHECK_THROWS_WITH_AS(read_npy(path, kDevice), why.c_str(), MemoryError);
}
#endif
