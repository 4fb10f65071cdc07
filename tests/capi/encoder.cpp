// Features by the C interface beside those of `mec embed`: the same bits.
#include <doctest/doctest.h>

#include "capi/calls.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/io/npy.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

namespace {

struct Fixture : RunFixture {
  Fixture() { run({"pretrain", config, "--threads", "1", "--out", at("run")}); }

  mec_encoder* open(const std::string& source) const {
    const mec_device device = one_thread();
    mec_encoder* encoder = nullptr;
    ok(mec_encoder_open(at(source).c_str(), &device, &encoder));
    return encoder;
  }
  // Of `mec embed` for an array of images.
  std::vector<float> embedded(const Tensor& images) const {
    write_npy(folder / "images.npy", images);
    run({"embed", at("run"), "--threads", "1", "--images", at("images.npy"), "--out", at("features.npy")});
    return read_npy(folder / "features.npy", reference).to_vector<float>();
  }

  Device reference = make_reference_device();
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "features of pixels are those of mec embed, to the bit, in any number and size") {
  const std::string bytes = read_bytes(folder / "data/train-images-idx3-ubyte").substr(16);
  for (const std::string source : {"run", "run/encoder.safetensors"}) {
    mec_encoder* encoder = open(source);
    for (const auto& size : {std::pair(1, 8), std::pair(300, 8), std::pair(7, 11)}) {
      const int count = size.first, side = size.second;
      CAPTURE(count);
      std::vector<std::uint8_t> pixels;
      for (int i = 0; i < count * side * side; ++i)
        pixels.push_back(static_cast<std::uint8_t>(bytes[static_cast<std::size_t>(i) * 7 % bytes.size()]));
      const mec_images images{pixels.data(), MEC_U8, count, side, side, 1};
      std::vector<float> features(static_cast<std::size_t>(count) * 32);
      ok(mec_encoder_embed(encoder, &images, features.data()));
      CHECK(features == embedded(Tensor::from(pixels, {count, side, side, 1}, reference)));
    }
    std::vector<float> normalized;
    for (int i = 0; i < 3 * 64; ++i) normalized.push_back(std::sin(static_cast<float>(i)));
    const mec_images images{normalized.data(), MEC_F32, 3, 8, 8, 1};
    std::vector<float> features(3 * 32);
    ok(mec_encoder_embed(encoder, &images, features.data()));
    CHECK(features == embedded(Tensor::from(normalized, {3, 8, 8, 1}, reference)));
    ok(mec_encoder_free(encoder));
  }
}

TEST_CASE_FIXTURE(Fixture, "an encoder says what it expects") {
  mec_encoder* encoder = open("run");
  mec_encoder_info info{};
  info.size = sizeof info;
  ok(mec_encoder_describe(encoder, &info));
  CHECK(info.channels == 1);
  CHECK(info.image_size == 8);
  CHECK(info.features == 32);
  CHECK(info.mean[0] == doctest::Approx(0.1307));
  CHECK(info.std[0] == doctest::Approx(0.3081));
  CHECK(info.mean[1] == 0);

  mec_encoder_info older{};  // a program that was compiled against a header that ended there
  older.size = offsetof(mec_encoder_info, features);
  ok(mec_encoder_describe(encoder, &older));
  CHECK(older.image_size == 8);
  CHECK(older.features == 0);
  mec_encoder_info newer{};
  newer.size = sizeof newer + 8;
  fails(mec_encoder_describe(encoder, &newer), MEC_ERROR_VALUE, "mec_encoder_describe", "mec_encoder_info.size is");
  ok(mec_encoder_free(encoder));
}

TEST_CASE_FIXTURE(Fixture, "what an encoder cannot take is refused") {
  mec_encoder* encoder = nullptr;
  const char* call = "mec_encoder_open";
  fails(mec_encoder_open(at("nowhere").c_str(), nullptr, &encoder), MEC_ERROR_IO, call, "nowhere");
  CHECK(encoder == nullptr);
  fails(mec_encoder_open(nullptr, nullptr, &encoder), MEC_ERROR_VALUE, call, "source is null");
  fails(mec_encoder_open(at("run").c_str(), nullptr, nullptr), MEC_ERROR_HANDLE, call, "is null");
  write_bytes(folder / "cut.safetensors", read_bytes(folder / "run/encoder.safetensors").substr(0, 5000));
  fails(mec_encoder_open(at("cut.safetensors").c_str(), nullptr, &encoder), MEC_ERROR_IO, call, "cut.safetensors");
  mec_device device = MEC_DEVICE_INIT;
  device.name = "gpu";
  fails(mec_encoder_open(at("run").c_str(), &device, &encoder), MEC_ERROR_VALUE, call, "choose cpu, cuda or reference");
  device = MEC_DEVICE_INIT;
  device.kernels = "best";
  fails(mec_encoder_open(at("run").c_str(), &device, &encoder), MEC_ERROR_VALUE, call, "auto, own or libraries");
  device = MEC_DEVICE_INIT;
  device.threads = -1;
  fails(mec_encoder_open(at("run").c_str(), &device, &encoder), MEC_ERROR_VALUE, call, "threads is between 0 and 4096");
  device = MEC_DEVICE_INIT;
  device.reserved = 1;
  fails(mec_encoder_open(at("run").c_str(), &device, &encoder), MEC_ERROR_VALUE, call, "mec_device.reserved is 0, but is 1");

  encoder = open("run");
  call = "mec_encoder_embed";
  std::vector<float> features(64), pixels(64);
  const auto embed = [&](mec_images images) { return mec_encoder_embed(encoder, &images, features.data()); };
  fails(embed({pixels.data(), MEC_U8, 1, 8, 8, 3}), MEC_ERROR_SHAPE, call, "takes images (N,H,W,1), but got (1,8,8,3)");
  fails(embed({pixels.data(), MEC_U8, 0, 8, 8, 1}), MEC_ERROR_SHAPE, call, "but got (0,8,8,1)");
  fails(embed({pixels.data(), MEC_F64, 1, 8, 8, 1}), MEC_ERROR_DTYPE, call, "dtype is 2");
  fails(embed({nullptr, MEC_U8, 1, 8, 8, 1}), MEC_ERROR_VALUE, call, "null");
  fails(embed({nullptr, MEC_F32, 1, 8, 8, 1}), MEC_ERROR_VALUE, call, "null");
  const std::int64_t huge = std::int64_t{1} << 32;  // huge * huge is 0
  fails(embed({pixels.data(), MEC_U8, 1, huge, huge, 1}), MEC_ERROR_SHAPE, call, "but these are 4294967296x4294967296");
  fails(embed({pixels.data(), MEC_F32, 1, huge, huge, 1}), MEC_ERROR_SHAPE, call, "but these are 4294967296x4294967296");
  pixels[9] = std::nanf("");
  fails(embed({pixels.data(), MEC_F32, 1, 8, 8, 1}), MEC_ERROR_VALUE, call, "must be finite, but the one at [0,1,1,0]");
  fails(mec_encoder_embed(encoder, nullptr, features.data()), MEC_ERROR_VALUE, call, "images is null");
  const mec_images images{pixels.data(), MEC_U8, 1, 8, 8, 1};
  fails(mec_encoder_embed(encoder, &images, nullptr), MEC_ERROR_HANDLE, call, "features is null");

  fails(mec_encoder_embed(nullptr, &images, features.data()), MEC_ERROR_HANDLE, call, "the encoder is null");
  ok(mec_encoder_free(encoder));
  fails(mec_encoder_embed(encoder, &images, features.data()), MEC_ERROR_HANDLE, call, "no open encoder: it was freed");
  fails(mec_encoder_free(encoder), MEC_ERROR_HANDLE, "mec_encoder_free", "it was freed");
  mec_encoder *next = open("run"), *last = open("run");  // no number comes twice
  CHECK(next != last);
  fails(mec_encoder_free(encoder), MEC_ERROR_HANDLE, "mec_encoder_free", "it was freed");
  ok(mec_encoder_free(next));
  ok(mec_encoder_embed(last, &images, features.data()));
  ok(mec_encoder_free(last));
  mec_objective* objective = nullptr;
  ok(mec_objective_open(nullptr, nullptr, &objective));
  fails(mec_encoder_free(reinterpret_cast<mec_encoder*>(objective)), MEC_ERROR_HANDLE, "mec_encoder_free", "something else");
  ok(mec_objective_free(objective));
}
