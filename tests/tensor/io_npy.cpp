#include "mec/tensor/io/npy.h"

#include <doctest/doctest.h>

#include "mec/tensor/devices.h"
#include "tensor/io_files.h"

using namespace mec;
using namespace mec::test;

namespace {

// A file as NumPy writes it, from its dict literal and values.
std::string npy(const std::string& dict, std::string_view values, char version = 1) {
  std::string header = dict + "\n";
  std::string file = "\x93NUMPY";
  file += version;
  file += '\0';
  file += static_cast<char>(header.size());
  file.append(version == 1 ? 1 : 3, '\0');
  return file + header + std::string(values);
}

template <class T> std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

struct Fixture {
  TempFolder folder;
  std::filesystem::path path = folder / "x.npy";
  Device device = make_reference_device();
  Tensor read(const std::string& content) const {
    write_bytes(path, content);
    return read_npy(path, device);
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "arrays that NumPy wrote are read with their shape and type") {
  const std::vector<float> values{1.5F, -2.0F, 3.0F, 4.0F, 5.0F, 6.25F};
  const Tensor t = read(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", bytes_of(values)));
  CHECK(t.shape() == Shape{2, 3});
  CHECK(t.to_vector<float>() == values);
  for (char version : {2, 3}) {
    const std::string file = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (6,)}", bytes_of(values), version);
    CHECK(read(file).shape() == Shape{6});
  }
  const Tensor scalar = read(npy("{\"shape\": (), \"fortran_order\": False, \"descr\": '|u1'}", "\x07"));
  CHECK(scalar.shape() == Shape{});
  CHECK(scalar.to_vector<std::uint8_t>() == std::vector<std::uint8_t>{7});
  CHECK(read(npy("{'descr': '<i8', 'fortran_order': False, 'shape': (0, 5)}", "")).shape() == Shape{0, 5});
  // Any byte but 0 is true, as in NumPy.
  const Tensor truths = read(npy("{'descr': '|b1', 'fortran_order': False, 'shape': (3,)}", std::string_view("\2\0\xff", 3)));
  CHECK(truths.to_vector<std::int32_t>() == std::vector<std::int32_t>{1, 0, 1});
}

TEST_CASE_FIXTURE(Fixture, "every dtype comes back from a file as it was, bf16 as f32") {
  const auto round_trip = [&](const Tensor& t) {
    write_npy(path, t);
    return read_npy(path, device);
  };
  const std::vector<double> doubles{1.0 / 3, -0.0};
  const std::vector<std::int32_t> ints{-5, 1 << 30};
  const std::vector<std::int64_t> longs{-5, std::int64_t{1} << 62};
  const std::vector<std::uint8_t> bytes{0, 255};
  CHECK(round_trip(Tensor::from(doubles, {2}, device)).to_vector<double>() == doubles);
  CHECK(round_trip(Tensor::from(ints, {2, 1}, device)).to_vector<std::int32_t>() == ints);
  CHECK(round_trip(Tensor::from(longs, {1, 2}, device)).to_vector<std::int64_t>() == longs);
  CHECK(round_trip(Tensor::from(bytes, {2}, device)).to_vector<std::uint8_t>() == bytes);
  const std::vector<float> floats{1.5F, -3.0F};  // both are bf16 numbers
  const Tensor half = Tensor::from(floats, {2}, device).to(Dtype::bf16);
  CHECK(round_trip(half).to_vector<float>() == floats);
}

TEST_CASE_FIXTURE(Fixture, "the values of a written file start at a multiple of 64, as NumPy's do") {
  for (std::int64_t columns : {1, 10, 1000, 1000000}) {
    write_npy(path, Tensor::zeros({1, columns}, Dtype::u8, device));
    CHECK((read_bytes(path).size() - static_cast<std::size_t>(columns)) % 64 == 0);
  }
}

TEST_CASE_FIXTURE(Fixture, "what cannot be read says why") {
  const auto refuses = [&](const std::string& file, const char* why) {
    CHECK_THROWS_WITH_AS(read(file), doctest::Contains(why), IoError);
  };
  refuses(npy("{'descr': '<f3', 'fortran_order': False, 'shape': (2,)}", "123456"),
          "'<f3' are not supported");
  refuses(npy("{'descr': '', 'fortran_order': False, 'shape': (2,)}", "12345678"),
          "'' are not supported");
  refuses(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "1234"), "structured");
  refuses(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "123456789"), "1 bytes follow");
  refuses(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "1234567"), "truncated");
  refuses(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1)}", "1234"), "7 dimensions");
  refuses(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", ""), "too large");
  refuses(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", ""), "too large");
  refuses(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", ""), "not a tuple of sizes");
  refuses(npy("{'descr': '<f4', 'fortran_order': False}", ""), "lacks one of");
  refuses(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", "1234"), "after the header's dict");
  refuses(npy("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", "1234"), "neither True nor False");
  refuses("not an npy file", "it is a text");
  refuses("\x93NUMPX\x01 and more", "does not start with");
  refuses(npy("{}", "", 9), "version 9");
  CHECK_THROWS_WITH_AS(read_npy(folder / "missing.npy", device), doctest::Contains("no such file"), IoError);
  CHECK_THROWS_WITH_AS(read_npy(folder.path(), device), doctest::Contains("not a regular file"), IoError);
}

TEST_CASE_FIXTURE(Fixture, "a truncated or damaged npy file is an error and never a crash") {
  const std::string file = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", "0123456789abcdef");
  const auto read_it = [&] { read_npy(path, device); };
  CHECK(read(file).shape() == Shape{2, 2});
  check_every_truncation(path, file, read_it);
  check_every_damaged_byte(path, file, read_it);
}
