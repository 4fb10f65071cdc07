// One suite for all communicators.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <functional>
#include <thread>

#include "mec/distributed/batch_rows.h"
#include "mec/distributed/device_communicator.h"
#include "mec/distributed/launcher.h"
#include "mec/distributed/profiling_communicator.h"
#include "mec/distributed/sync_batch_norm.h"
#include "mec/distributed/threads.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"

using namespace mec;

namespace {

const Device kHost = make_cpu_device({.threads = 1});

// What rank `rank` holds; values of such different sizes that their sum depends on its order.
Tensor values_of(int rank, const Shape& shape, Dtype dtype) {
  const Tensor t = random(shape, Dtype::f64, kHost, {.seed = 70 + static_cast<std::uint64_t>(rank)});
  return scale(t, std::pow(10.0, 3 * (rank % 3))).to(dtype);
}

// Doctest's checks are not for several threads at once: the first rule that is broken is thrown.
void demand(bool holds, const char* rule) { check<ValueError>(holds, rule); }

bool same(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() &&
         a.to(kHost).to(Dtype::f64).to_vector<double>() == b.to(kHost).to(Dtype::f64).to_vector<double>();
}

float largest_of(const Tensor& t) {
  const auto values = t.to_vector<float>();
  return std::fabs(*std::ranges::max_element(values, {}, [](float x) { return std::fabs(x); }));
}

// A library adds in an order of its own: each sum may differ by the rounding of the largest term.
bool same_sums(const Tensor& a, const Tensor& b, float largest) {
  const auto x = a.to_vector<float>(), y = b.to_vector<float>();
  return std::ranges::equal(x, y, [=](float p, float q) { return std::fabs(p - q) <= std::ldexp(largest, -21); });
}

void check_gathers(Communicator& ranks, const Device& device) {
  for (const Dtype dtype : {Dtype::f32, Dtype::bf16, Dtype::f64}) {
    for (const Shape& shape : {Shape{3, 2}, Shape{1, 5}, Shape{4}, Shape{300, 1000}}) {
      std::vector<Tensor> all;
      for (int rank = 0; rank < ranks.size(); ++rank) all.push_back(values_of(rank, shape, dtype));
      const Tensor gathered = ranks.all_gather(all[static_cast<std::size_t>(ranks.rank())].to(device));
      demand(gathered.dtype() == dtype && gathered.device() == device, "all_gather: as its argument");
      demand(same(gathered, cat(all)), "all_gather: rows in the order of ranks");
    }
  }
}

void check_reductions(Communicator& ranks, const Device& device) {
  for (const std::int64_t count : {1, 2, 7, 1000, 9001, 600001}) {  // fewer than ranks, more, and several pieces
    const Shape shape{count};
    Tensor sum = values_of(0, shape, Dtype::f32).clone();
    float largest = largest_of(sum);
    for (int rank = 1; rank < ranks.size(); ++rank) {
      const Tensor values = values_of(rank, shape, Dtype::f32);
      largest = std::max(largest, largest_of(values));
      sum = add(sum, values);
    }
    const Tensor before = random({count + 4}, Dtype::f32, kHost, {.seed = 5}), whole = before.to(device).clone();
    const Tensor own = whole.segment(2, shape);
    own.copy_from(values_of(ranks.rank(), shape, Dtype::f32).to(device));
    ranks.all_reduce(own);
    if (ranks.library(device).empty()) demand(same(own, sum), "all_reduce: the bits of the sum in the order of ranks");
    demand(same_sums(own, sum, largest), "all_reduce: the sum of all ranks");
    demand(same(whole.segment(0, {2}), before.segment(0, {2})), "all_reduce: nothing before the tensor is changed");
    demand(same(whole.segment(count + 2, {2}), before.segment(count + 2, {2})), "all_reduce: nor behind it");
  }
  const Tensor exact = Tensor::full({3}, 1.0 + ranks.rank(), Dtype::f64, kHost).to(device).clone();
  ranks.all_reduce(exact);
  demand(exact.to_vector<double>()[2] == ranks.size() * (ranks.size() + 1) / 2.0, "all_reduce: f64");
  ranks.all_reduce(Tensor::zeros({0}, Dtype::f32, device));
  bool refused = false;
  try {
    ranks.all_reduce(Tensor::zeros({3}, Dtype::bf16, device));
  } catch (const DtypeError&) {
    refused = true;
  }
  demand(refused, "all_reduce: bf16 is refused");
}

// More sums than go on together, of many lengths, while ranks come late and tell each other other
// things: each has the bits of all_reduce().
void check_begun_sums(Communicator& ranks, const Device& device) {
  std::vector<Tensor> begun, expected;
  float largest = 0;
  for (int i = 0; i < 21; ++i) {
    const Shape shape{i % 5 == 4 ? 7 + i : ranks.size() * (1 + 977 * i)};
    const Tensor own = add(values_of(ranks.rank(), shape, Dtype::f32), Tensor::full(shape, 0.5 * i, Dtype::f32, kHost));
    largest = std::max(largest, largest_of(own));
    expected.push_back(own.to(device).clone());
    begun.push_back(own.to(device).clone());
  }
  for (const Tensor& t : expected) ranks.all_reduce(t);
  for (std::size_t i = 0; i < begun.size(); ++i) {
    ranks.begin_sum(begun[i]);
    if (static_cast<int>(i) % ranks.size() == ranks.rank()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    if (i % 3 == 0) demand(ranks.maximum(ranks.rank()) == ranks.size() - 1, "begin_sum: other calls come between");
    ranks.advance_sums();
  }
  ranks.finish_sums();
  for (std::size_t i = 0; i < begun.size(); ++i) {
    if (ranks.library(device).empty()) demand(same(begun[i], expected[i]), "finish_sums: the bits of all_reduce()");
    demand(same_sums(begun[i].to(kHost), expected[i].to(kHost), static_cast<float>(ranks.maximum(largest))),
           "finish_sums: the sums of all ranks");
  }
  const Tensor exact = Tensor::full({ranks.size()}, 1.0 + ranks.rank(), Dtype::f64, kHost).to(device).clone();
  ranks.begin_sum(exact);
  ranks.begin_sum(Tensor::zeros({0}, Dtype::f32, device));
  ranks.finish_sums();
  demand(exact.to_vector<double>()[0] == ranks.size() * (ranks.size() + 1) / 2.0, "begin_sum: f64");
  ranks.finish_sums();  // of none
}

void check_the_rest(Communicator& ranks, const Device& device) {
  const Tensor t = values_of(ranks.rank(), {2, 3}, Dtype::bf16).to(device).clone();
  ranks.broadcast(t);
  demand(same(t, values_of(0, {2, 3}, Dtype::bf16)), "broadcast: rank 0's values");
  demand(ranks.broadcast(std::int64_t{10} + ranks.rank()) == 10, "broadcast: rank 0's number");
  demand(ranks.broadcast("text of " + std::to_string(ranks.rank()) +
                         std::string(static_cast<std::size_t>(ranks.rank()), 'x')) == "text of 0",
         "broadcast: rank 0's text, whatever the length of others");
  demand(ranks.maximum(ranks.rank() == 1 ? 7 : -3.0) == (ranks.size() > 1 ? 7 : -3.0), "maximum: of all ranks");
}

// Each rank has two of the rows.
void check_batch_rows(const CommunicatorPtr& ranks) {
  const BatchRows rows(ranks), alone;
  const std::int64_t m = 2 * ranks->size();
  const Tensor all = random({m, 3}, Dtype::f64, kHost, {.seed = 4}), own = all.rows(2 * ranks->rank(), 2 * ranks->rank() + 2);
  demand(rows.ranks() == ranks->size() && rows.count(own) == m, "rows of all ranks are counted");
  demand(same(rows.own(all), own) && same(rows.gather(own), all), "gather() is the inverse of own()");
  const Tensor kept = own.clone(), total = rows.sum(own);
  Tensor expected = all.rows(0, 2).clone();
  for (int rank = 1; rank < ranks->size(); ++rank) expected = add(expected, all.rows(2 * rank, 2 * rank + 2));
  demand(same(total, expected), "sum() adds those of all ranks");
  demand(same(own, kept), "sum() leaves what it is given");
  demand(alone.sum(own).same_memory(own) && alone.gather(own).same_memory(own) && alone.own(own).same_memory(own) &&
             alone.count(own) == 2,
         "where all rows are here, all is as it was given");
  const BatchNormStatistics of_all = batch_norm_statistics(all), merged = rows.statistics(own);
  for (std::size_t c = 0; c < 3; ++c) {
    demand(std::fabs(merged.mean.to_vector<double>()[c] - of_all.mean.to_vector<double>()[c]) < 1e-12, "their mean");
    demand(std::fabs(merged.var.to_vector<double>()[c] - of_all.var.to_vector<double>()[c]) < 1e-12, "and variance");
  }
}

void check_communicator(const CommunicatorPtr& ranks, const Device& device = kHost) {
  demand(ranks->rank() >= 0 && ranks->rank() < ranks->size(), "a rank lies below the size");
  for (int round = 0; round < 3; ++round) {
    check_gathers(*ranks, device);
    check_reductions(*ranks, device);
    check_begun_sums(*ranks, device);
    check_the_rest(*ranks, device);
    check_batch_rows(ranks);
  }
}

// Each rank has 5 of the rows.
void check_batch_norm(const CommunicatorPtr& ranks) {
  const Device device = make_reference_device();
  std::vector<Tensor> rows;
  for (int rank = 0; rank < ranks->size(); ++rank) {
    const Tensor spread = random({5, 3}, Dtype::f64, device, {.seed = 90 + static_cast<std::uint64_t>(rank)});
    rows.push_back(add(spread, Tensor::full({3}, 4.0 * rank, Dtype::f64, device)));
  }
  const SyncBatchNorm across(ranks);
  const BatchNormStatistics merged = across.merge(batch_norm_statistics(rows[static_cast<std::size_t>(ranks->rank())])),
                            expected = batch_norm_statistics(cat(rows));
  for (std::size_t c = 0; c < 3; ++c) {
    demand(std::fabs(merged.mean.to_vector<double>()[c] - expected.mean.to_vector<double>()[c]) < 1e-12,
           "the mean of all rows");
    demand(std::fabs(merged.var.to_vector<double>()[c] - expected.var.to_vector<double>()[c]) < 1e-11, "their variance");
  }
  const BatchNormSums own{Tensor::full({3}, 1.0 + ranks->rank(), Dtype::f64, device),
                          Tensor::full({3}, 10.0, Dtype::f64, device)};
  const BatchNormSums sums = across.sum(own);
  demand(sums.dgamma.to_vector<double>()[2] == ranks->size() * (ranks->size() + 1) / 2.0, "the first sum of all ranks");
  demand(sums.dbeta.to_vector<double>()[0] == 10.0 * ranks->size(), "the second");
  demand(own.dbeta.to_vector<double>()[0] == 10.0, "a rank's own sums stay");
}

// Pairs of neighbours, every other rank, each alone, and all.
void check_parts(const CommunicatorPtr& ranks) {
  const int rank = ranks->rank(), size = ranks->size();
  const std::vector<std::function<int(int)>> ways{[](int r) { return r / 2; }, [](int r) { return -(r % 2); },
                                                  [](int r) { return 3 * r; }, [](int) { return 7; }};
  for (const auto& way : ways) {
    std::vector<int> members;
    for (int other = 0; other < size; ++other) {
      if (way(other) == way(rank)) members.push_back(other);
    }
    const CommunicatorPtr part = ranks->split(std::abs(way(rank)));
    demand(part->size() == std::ssize(members), "split: as many as give the number");
    demand(members[static_cast<std::size_t>(part->rank())] == rank, "split: in their order");
    const Tensor own = Tensor::full({1}, rank, Dtype::f64, make_cpu_device({.threads = 1}));
    for (int round = 0; round <= members.front(); ++round) {  // parts make calls of their own
      const std::vector<double> all = part->all_gather(own).to_vector<double>();
      demand(std::ranges::equal(all, members), "split: their tensors alone");
    }
    check_gathers(*part, own.device());
    check_the_rest(*part, own.device());
    check_batch_norm(part);
    if (part->size() > 1) demand(part->split(part->rank())->size() == 1, "split: again");
    demand(ranks->maximum(rank) == size - 1, "split: the whole goes on");
  }
}

}  // namespace

TEST_CASE("threads, one to five of them, keep the rules of a communicator") {
#ifdef __SANITIZE_THREAD__  // which takes minutes for each
  const std::vector<int> sizes{3};
#else
  const std::vector<int> sizes{1, 2, 3, 4, 5};
#endif
  for (const int size : sizes) {
    CAPTURE(size);
    std::atomic<int> done{0};
    run_ranks(size, [&](const CommunicatorPtr& ranks) {
      check_communicator(ranks);
      check_batch_norm(ranks);
      check_parts(ranks);
      ++done;
    });
    CHECK(done == size);
  }
}

TEST_CASE("more ranks than numbers add them up") {
  run_ranks(80, [&](const CommunicatorPtr& ranks) {
    const Tensor t = Tensor::full({70}, 1.0 + ranks->rank(), Dtype::f64, make_cpu_device({.threads = 1}));
    ranks->all_reduce(t);
    demand(t.to_vector<double>()[69] == 80 * 81 / 2.0, "all_reduce: fewer numbers than ranks");
  });
}

TEST_CASE("messages are counted, by part of the step and kind, and still keep the rules of a communicator") {
  run_ranks(4, [&](const CommunicatorPtr& ranks) {
    ProfilingCommunicator counted(ranks);
    check_communicator(CommunicatorPtr(&counted, [](Communicator*) {}));
    counted.reset();
    const Device device = make_cpu_device({.threads = 1});
    counted.begin_phase("first");
    counted.all_gather(Tensor::zeros({2, 3}, Dtype::f64, device));
    counted.all_gather(Tensor::zeros({5}, Dtype::bf16, device));
    counted.all_reduce(Tensor::zeros({100}, Dtype::f32, device));
    counted.begin_phase("second");
    counted.broadcast(Tensor::zeros({7}, Dtype::f32, device));
    counted.broadcast(std::int64_t{3});
    if (ranks->rank() == 2) std::this_thread::sleep_for(std::chrono::milliseconds(60));
    counted.maximum(1);
    counted.begin_phase("third");
    for (int i = 0; i < 3; ++i) counted.begin_sum(Tensor::zeros({100}, Dtype::f32, device));
    counted.finish_sums();
    std::string said;
    for (const CollectiveProfile& p : counted.profiles()) {
      said += concat(p.phase, " ", p.name, " ", p.calls, " ", p.bytes, "; ");
      demand(p.seconds > 0 && (p.waited > 0) == (p.phase != "third"), "times are taken");
    }
    const std::string told = ranks->rank() == 0 ? "0" : "36";  // 7 f32 and a number of 8 bytes
    demand(said == "first all_gather 2 174; first all_reduce 1 600; second broadcast 2 " + told +
                       "; second maximum 1 24; third sum 3 1800; third finish_sums 1 0; ",
           "three times what each gathers; 2·3/4 of what is summed; what rank 0 tells");
    const CollectiveProfile& last = *(counted.profiles().end() - 3);
    demand(ranks->rank() == 2 ? last.waited < 0.05 : last.waited > 0.05, "who waits for a slower rank");
  });
}

TEST_CASE("one process keeps the rules of a communicator") {
  check_communicator(one_process());
  check_parts(one_process());
  check_batch_norm(one_process());
}

TEST_CASE("a rank that throws ends the ranks that wait for it, with its error") {
  std::atomic<int> ended{0};
  CHECK_THROWS_WITH_AS(run_ranks(3,
                                 [&](const CommunicatorPtr& ranks) {
                                   check<ShapeError>(ranks->rank() != 1, "rank 1 cannot go on");
                                   try {
                                     ranks->maximum(1);
                                   } catch (const DeviceError&) {
                                     ++ended;
                                     throw;
                                   }
                                 }),
                       "rank 1 cannot go on", ShapeError);
  CHECK(ended == 2);
}

TEST_CASE("a rank that throws ends the ranks that wait in a part that it is not in") {
  CHECK_THROWS_WITH_AS(run_ranks(5,
                                 [&](const CommunicatorPtr& ranks) {
                                   const CommunicatorPtr part = ranks->split(ranks->rank() % 2)->split(0);
                                   check<ShapeError>(ranks->rank() != 1, "rank 1 cannot go on");
                                   for (;;) part->maximum(1);
                                 }),
                       "rank 1 cannot go on", ShapeError);
}

// Run by mpirun.
TEST_SUITE("launched" * doctest::skip()) {
  TEST_CASE("the processes of a launch keep the rules of a communicator") {
    REQUIRE(find_launch().has_value());
    const CommunicatorPtr ranks = join_processes();
    REQUIRE(ranks->size() == find_launch()->size);
    check_communicator(ranks);
    check_batch_norm(ranks);
    check_parts(ranks);
  }
}

// Run by mpirun: one rank hangs before the end.
TEST_SUITE("hangs" * doctest::skip()) {
  TEST_CASE("a rank that stops itself while the others leave") {
    const CommunicatorPtr ranks = join_processes();
    if (ranks->rank() == 1) std::raise(SIGSTOP);
  }
}

// Run by mpirun, each process with a GPU, which may be one of software.
struct GpuOfLaunch {
  CommunicatorPtr hosts = join_processes();
  Device device = make_cuda_device({.device = hosts->rank()});
  CommunicatorPtr ranks = between_devices(
      hosts, device, {.patience = static_cast<double>(patience()), .on_failure = [this](const std::string& why) {
                        std::fprintf(stderr, "%s\n", why.c_str());
                        hosts->end_all(3);
                      }});
};

TEST_SUITE("launched with GPUs" * doctest::skip()) {
  TEST_CASE_FIXTURE(GpuOfLaunch, "GPUs of a launch keep the rules of a communicator, and tensors of the host go by way of it") {
    REQUIRE(ranks != hosts);
    CHECK(ranks->capturable(device));
    CHECK_FALSE(ranks->capturable(kHost));
    CHECK(ranks->library(device).starts_with("NCCL 2."));
    check_communicator(ranks, device);
    check_communicator(ranks);
    check_parts(ranks);
    const Tensor one = Tensor::full({1}, 1.0, Dtype::f32, device);
    const CommunicatorPtr half = ranks->split(ranks->rank() % 2);
    half->all_reduce(one);
    CHECK(half->library(device).starts_with("NCCL 2."));
    CHECK(one.item() == half->size());
  }
}

TEST_SUITE("GPUs in vain" * doctest::skip()) {
  TEST_CASE_FIXTURE(GpuOfLaunch, "the first waits, the second does not come") {
    const Tensor t = Tensor::full({3}, 1.0, Dtype::f32, device);
    for (int call = 0; call < 300; ++call) ranks->all_reduce(t);
    if (ranks->rank() == 1) std::this_thread::sleep_for(std::chrono::hours(1));
    ranks->all_reduce(t);
    t.to_vector<float>();
    FAIL("rank 0 has all numbers");
  }
}

TEST_SUITE("GPUs at rest" * doctest::skip()) {
  TEST_CASE_FIXTURE(GpuOfLaunch, "all have work of their own for longer than their patience") {
    const Tensor t = Tensor::full({3}, 1.0, Dtype::f32, device);
    for (int round = 0; round < 2; ++round) {
      ranks->all_reduce(t);
      ranks->maximum(0);
      CHECK(t.to_vector<float>()[0] == std::pow(ranks->size(), round + 1));
      std::this_thread::sleep_for(std::chrono::seconds(patience() + 1));
    }
  }
}

TEST_SUITE("GPUs at odds" * doctest::skip()) {
  // The stand-in says so; NCCL itself would hang, or give wrong numbers.
  TEST_CASE_FIXTURE(GpuOfLaunch, "each adds up as many numbers as its own") {
    const Tensor t = Tensor::full({3 + ranks->rank()}, 1.0, Dtype::f32, device);
    ranks->all_reduce(t);
    t.to_vector<float>();
    std::this_thread::sleep_for(std::chrono::hours(1));
  }
}
