#include "mec/tensor/philox.h"

#include <doctest/doctest.h>

#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"

using namespace mec;

// From kat_vectors of Random123 (Salmon et al. 2011).
TEST_CASE("philox: the known answers of its authors") {
  CHECK(philox(0, {0, 0, 0, 0}) == Philox4{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox(~std::uint64_t{0}, {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}) ==
        Philox4{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox(0x299f31d0a4093822, {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}) ==
        Philox4{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("philox: uniform numbers stay within their interval at both ends") {
  CHECK(uniform01(0) == 0.0F);
  CHECK(uniform01(0xffffffff) < 1.0F);
  CHECK(uniform01_open(0) > 0.0F);
  CHECK(uniform01_open(0xffffffff) == 1.0F);
}

TEST_CASE("philox: a stream depends on each part of its name") {
  const auto first = [](std::uint64_t seed, std::uint64_t sample, std::uint64_t epoch, Purpose purpose, std::uint32_t view) {
    return RandomStream(seed, sample, epoch, purpose, view).bits();
  };
  const std::uint32_t bits = first(1, 2, 3, Purpose::crop, 0);
  CHECK(bits == first(1, 2, 3, Purpose::crop, 0));
  CHECK(bits != first(2, 2, 3, Purpose::crop, 0));
  CHECK(bits != first(1, 3, 3, Purpose::crop, 0));
  CHECK(bits != first(1, 2, 4, Purpose::crop, 0));
  CHECK(bits != first(1, 2, 3, Purpose::flip, 0));
  CHECK(bits != first(1, 2, 3, Purpose::crop, 1));
}

TEST_CASE("philox: moments of the draws, and the range of below()") {
  RandomStream stream(7, 0, 0, Purpose::test);
  constexpr int kDraws = 20000;
  double mean = 0, square = 0, uniform = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = stream.normal();
    mean += value / kDraws;
    square += value * value / kDraws;
    uniform += stream.uniform(2, 4) / kDraws;
    CHECK(stream.below(3) < 3);
  }
  // Five standard errors: 1/√n, √(2/n) and (2/√12)/√n.
  CHECK(std::fabs(mean) < 5 * 0.0071);
  CHECK(std::fabs(square - 1) < 5 * 0.01);
  CHECK(std::fabs(uniform - 3) < 5 * 0.0041);
}

TEST_CASE("fill_random: an element depends on seed, stream and place alone") {
  const Device device = make_reference_device();
  const RandomArgs args{.distribution = Distribution::uniform, .scale = 2, .shift = -1, .seed = 9, .stream = {4, 5, 6}};
  const auto few = random({3}, Dtype::f32, device, args).to_vector<float>();
  const auto many = random({5, 7}, Dtype::f32, device, args).to_vector<float>();
  CHECK(std::equal(few.begin(), few.end(), many.begin()));
  CHECK(many[17] == -1 + 2 * uniform01(philox(9, {17, 4, 5, 6})[0]));
  auto other = args;
  other.stream[2] = 7;
  CHECK(random({3}, Dtype::f32, device, other).to_vector<float>() != few);
}
