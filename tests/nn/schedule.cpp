#include "mec/nn/optim/schedule.h"

#include <doctest/doctest.h>

#include <cmath>

#include "mec/tensor/error.h"

using namespace mec;

TEST_CASE("the learning rate rises to its peak within the warm-up and falls along a cosine") {
  const ScheduleLength length{.total = 30, .warmup = 11};
  CHECK(warmup_cosine(0, 2.0, length) == 0.0);
  // numpy.linspace(0, 2, 11)[5].
  CHECK(warmup_cosine(5, 2.0, length) == doctest::Approx(1.0).epsilon(1e-15));
  CHECK(warmup_cosine(10, 2.0, length) == 2.0);
  CHECK(warmup_cosine(11, 2.0, length) == 2.0);
  CHECK(warmup_cosine(20, 2.0, length) == doctest::Approx(1 + std::cos(std::acos(-1.0) * 9 / 19)).epsilon(1e-15));
  CHECK(warmup_cosine(29, 2.0, length) > 0.0);
  CHECK(warmup_cosine(30, 2.0, length) == 0.0);
}

TEST_CASE("schedules hold for runs without a warm-up, of nothing else, and shorter than it") {
  CHECK(warmup_cosine(0, 2.0, {.total = 4, .warmup = 0}) == 2.0);
  CHECK(warmup_cosine(2, 2.0, {.total = 4, .warmup = 0}) == doctest::Approx(1.0).epsilon(1e-15));
  CHECK(warmup_cosine(0, 2.0, {.total = 4, .warmup = 1}) == 0.0);
  CHECK(warmup_cosine(1, 2.0, {.total = 4, .warmup = 1}) == 2.0);
  CHECK(warmup_cosine(2, 2.0, {.total = 3, .warmup = 3}) == 2.0);
  CHECK(warmup_cosine(2, 2.0, {.total = 3, .warmup = 9}) == 0.5);
  CHECK(warmup_cosine(0, 2.0, {.total = 0, .warmup = 0}) == 0.0);
  CHECK(inverse_lambda_factor(0, 0) == 1.0);
  CHECK(inverse_lambda_factor(0, 1) == 8.0);
  CHECK(inverse_lambda_factor(1, 1) == 1.0);
}

TEST_CASE("the teacher's coefficient goes from its base to one") {
  CHECK(ema_coefficient(0, 0.996, 100) == 0.996);
  CHECK(ema_coefficient(50, 0.996, 100) == doctest::Approx(0.998).epsilon(1e-15));
  CHECK(ema_coefficient(99, 0.996, 100) < 1.0);
  CHECK(ema_coefficient(100, 0.996, 100) == 1.0);
}

TEST_CASE("the factor of 1/λ falls from eight to one") {
  CHECK(inverse_lambda_factor(0, 15) == 8.0);
  CHECK(inverse_lambda_factor(7, 15) == 4.5);
  CHECK(inverse_lambda_factor(14, 15) == 1.0);
  CHECK(inverse_lambda_factor(15, 15) == 1.0);
  CHECK(inverse_lambda_factor(2, 5, 3.0) == 2.0);
}

TEST_CASE("negative steps are refused") {
  CHECK_THROWS_AS(warmup_cosine(-1, 1.0, {.total = 3}), ValueError);
  CHECK_THROWS_AS(warmup_cosine(0, 1.0, {.total = 3, .warmup = -1}), ValueError);
  CHECK_THROWS_AS(ema_coefficient(-1, 0.9, 3), ValueError);
  CHECK_THROWS_AS(inverse_lambda_factor(0, -3), ValueError);
}
