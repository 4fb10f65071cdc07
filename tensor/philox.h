// Counter-based random numbers: Philox 4x32-10 (Salmon et al., SC 2011, "Parallel random numbers:
// as easy as 1, 2, 3").
//
// A draw is a pure function of seed and counter, so the same image gets the same crop on any
// thread, rank or device, before or after a resume.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "mec/tensor/host_device.h"

namespace mec {

using Philox4 = std::array<std::uint32_t, 4>;

// Ten rounds of Philox on `counter` under the 64-bit key `seed`.
MEC_HOST_DEVICE inline Philox4 philox(std::uint64_t seed, Philox4 counter) {
  auto k0 = static_cast<std::uint32_t>(seed);
  auto k1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53U} * counter[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57U} * counter[2];
    counter = {static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ k0, static_cast<std::uint32_t>(p1),
               static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ k1, static_cast<std::uint32_t>(p0)};
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  return counter;
}

// 24 random bits as a float in [0, 1), and the same moved into (0, 1] for logarithms.
MEC_HOST_DEVICE inline float uniform01(std::uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24F; }
MEC_HOST_DEVICE inline float uniform01_open(std::uint32_t bits) { return static_cast<float>((bits >> 8) + 1) * 0x1p-24F; }

// Standard normal by Box and Muller, from two words.
template <class T> MEC_HOST_DEVICE T box_muller(std::uint32_t radius_bits, std::uint32_t angle_bits) {
  const T radius = std::sqrt(T(-2) * std::log(T(uniform01_open(radius_bits))));
  return radius * std::cos(T(6.283185307179586) * T(uniform01(angle_bits)));
}

enum class Distribution : std::uint8_t { uniform, normal };  // [0,1), and N(0,1)

struct RandomArgs {
  Distribution distribution = Distribution::normal;
  double scale = 1.0;
  double shift = 0.0;
  std::uint64_t seed = 0;
  std::array<std::uint32_t, 3> stream{};  // the counter's upper words; element i draws from block i
};

// Element i of a tensor filled with random numbers: a function of args and i alone, on every
// device. The tensor has at most 2^32 elements.
template <class T> MEC_HOST_DEVICE T random_element(const RandomArgs& args, std::uint32_t i) {
  const Philox4 words = philox(args.seed, {i, args.stream[0], args.stream[1], args.stream[2]});
  const T draw = args.distribution == Distribution::uniform ? T(uniform01(words[0])) : box_muller<T>(words[0], words[1]);
  return T(args.shift) + T(args.scale) * draw;
}

// What a stream of draws is for; part of every counter, so that two uses never share numbers.
enum class Purpose : std::uint32_t {
  init = 1,
  shuffle,
  crop,
  jitter,
  gray,
  blur,
  solarize,
  flip,
  power_iteration,
  test,
  probe,
  kmeans,
  prototypes,
  monte_carlo,
  queue,
  noise
};

// A stream of draws for (sample, epoch, purpose, view); draw() counts up within it.
class RandomStream {
 public:
  // sample < 2^32; epoch < 2^32; view < 2^16.
  RandomStream(std::uint64_t seed, std::uint64_t sample, std::uint64_t epoch, Purpose purpose, std::uint32_t view = 0)
      : seed_(seed),
        counter_{static_cast<std::uint32_t>(sample), static_cast<std::uint32_t>(epoch),
                 static_cast<std::uint32_t>(purpose) << 16 | (view & 0xffffU), 0} {}

  std::uint32_t bits() {
    if (used_ == 4) {
      block_ = philox(seed_, counter_);
      ++counter_[3];
      used_ = 0;
    }
    return block_[used_++];
  }
  float uniform() { return uniform01(bits()); }                                    // [0, 1)
  float uniform(float low, float high) { return low + (high - low) * uniform(); }  // [low, high)
  bool bernoulli(float p) { return uniform() < p; }
  // A whole number in [0, n), n ≤ 2^32, by Lemire's multiplication (bias below n / 2^32).
  std::uint32_t below(std::uint64_t n) { return static_cast<std::uint32_t>((std::uint64_t{bits()} * n) >> 32); }
  // Standard normal by Box and Muller; the second of each pair is dropped so that draws stay
  // independent of call order.
  float normal() {
    const std::uint32_t radius_bits = bits();
    return box_muller<float>(radius_bits, bits());
  }

 private:
  std::uint64_t seed_;
  Philox4 counter_;
  Philox4 block_{};
  int used_ = 4;
};

}  // namespace mec
