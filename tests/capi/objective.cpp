// Losses by the C interface beside those of `mec loss`: the same bits.
#include <doctest/doctest.h>

#include <barrier>
#include <nlohmann/json.hpp>
#include <thread>

#include "capi/calls.h"
#include "mec/tensor/io/npy.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

namespace {

constexpr std::int64_t kRows = 6, kWidth = 5, kQueue = 4;

struct Objective {
  explicit Objective(const std::string& settings) {
    const mec_device device = one_thread();
    ok(mec_objective_open(settings.c_str(), &device, &handle));
  }
  ~Objective() { mec_objective_free(handle); }
  mec_objective* handle = nullptr;
};

// Of m rows in the type of double, with no gradients.
mec_embeddings embeddings_of(std::int64_t m, const void* p, const void* z) {
  mec_embeddings embeddings = MEC_EMBEDDINGS_INIT;
  embeddings.dtype = MEC_F64;
  embeddings.m = m;
  embeddings.d = kWidth;
  embeddings.p = p;
  embeddings.z = z;
  return embeddings;
}

struct Fixture : ArrayFixture {
  // Random rows in a file, and their values.
  std::vector<double> rows(const std::string& name, std::int64_t count, std::uint64_t seed) {
    write_random(name, {count, kWidth}, seed);
    const Tensor values = read_npy(folder / name, device).to(Dtype::f64);
    write_tensor(name, values);
    return values.to_vector<double>();
  }
  std::vector<double> read(const std::string& name) const { return read_npy(folder / name, device).to_vector<double>(); }

  std::vector<double> p = rows("p.npy", kRows, 1), z = rows("z.npy", kRows, 2), queue = rows("queue.npy", kQueue, 3);
  std::vector<double> dp = std::vector<double>(p.size()), dz = std::vector<double>(p.size());
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "each method's loss and gradients are those of mec loss, to the bit") {
  struct Row {
    std::string method, settings;
    std::vector<std::string> options;
  };
  const std::vector<Row> rows{
      {"mec", "[mec]\non_divergence = \"warn\"\neps2 = 16\norder = 3\n", {"--eps2", "16", "--order", "3"}},
      {"mec", "[mec]\non_divergence = \"warn\"\nexact = true\nside = \"feature\"\n", {"--order", "exact", "--side", "feature"}},
      {"simsiam", "", {}},
      {"barlow-twins", "[barlow-twins]\nlambda = 0.25\n", {"--lambda", "0.25"}},
      {"simclr", "[simclr]\ntemperature = 0.3\n", {"--temperature", "0.3"}},
      {"moco-v2", "[moco-v2]\ntemperature = 0.4\n", {"--temperature", "0.4", "--queue", at("queue.npy")}},
      {"swav", "[swav]\nepsilon = 0.25\n", {"--epsilon", "0.25"}},
      {"byol", "", {}},
      {"vicreg", "[vicreg]\nvariance = 3\n", {"--variance", "3"}}};
  for (const Row& row : rows) {
    CAPTURE(row.method);
    std::vector<std::string> command{"loss", row.method,  "--threads", "1",          "--p",      at("p.npy"),
                                     "--z",  at("z.npy"), "--grad-p",  at("dp.npy"), "--grad-z", at("dz.npy")};
    command.insert(command.end(), row.options.begin(), row.options.end());
    const ProgramResult result = run_program(folder, command);
    REQUIRE_MESSAGE(result.status == 0, result.err);
    const Objective objective("method = \"" + row.method + "\"\n" + row.settings);
    mec_embeddings embeddings = embeddings_of(kRows, p.data(), z.data());
    embeddings.queue = row.method == "moco-v2" ? queue.data() : nullptr;
    embeddings.queue_rows = kQueue;
    embeddings.dp = dp.data();
    embeddings.dz = dz.data();
    mec_figures figures{};
    ok(mec_objective_evaluate(objective.handle, &embeddings, &figures));
    CHECK(std::string(figures.names[0]) == "loss");
    const auto said = nlohmann::json::parse(result.out);
    for (const char* name : {"loss", "coding_length"})
      if (said.contains(name)) CHECK(by_name(figures).at(name) == said.at(name).get<double>());
    CHECK(dp == read("dp.npy"));
    CHECK(dz == read("dz.npy"));
  }
}

TEST_CASE_FIXTURE(Fixture, "f32 embeddings are computed in f32, and one objective takes any size") {
  const Objective objective("[mec]\neps2 = 16\n");
  const auto loss = [&](mec_dtype dtype, std::int64_t m, const void* P, const void* Z) {
    mec_embeddings embeddings = embeddings_of(m, P, Z);
    embeddings.dtype = dtype;
    mec_figures figures{};
    ok(mec_objective_evaluate(objective.handle, &embeddings, &figures));
    return figures.values[0];
  };
  const std::vector<float> p32(p.begin(), p.end()), z32(z.begin(), z.end());
  const double wide = loss(MEC_F64, kRows, p.data(), z.data()), few = loss(MEC_F64, 2, p.data(), z.data());
  CHECK(loss(MEC_F32, kRows, p32.data(), z32.data()) == doctest::Approx(wide).epsilon(1e-6));
  CHECK(loss(MEC_F32, kRows, p32.data(), z32.data()) != wide);
  CHECK(few != doctest::Approx(wide).epsilon(1e-3));
  CHECK(loss(MEC_F64, kRows, p.data(), z.data()) == wide);
  Objective other("[mec]\neps2 = 16\n");
  mec_figures figures{};
  const mec_embeddings two = embeddings_of(2, p.data(), z.data());
  ok(mec_objective_evaluate(other.handle, &two, &figures));
  CHECK(figures.values[0] == few);
}

TEST_CASE_FIXTURE(Fixture, "one objective serves two threads, and each thread has its own last error") {
  const Objective objective("");
  mec_embeddings expected = embeddings_of(kRows, p.data(), z.data());
  expected.dp = dp.data();
  ok(mec_objective_evaluate(objective.handle, &expected, nullptr));
  std::vector<std::thread> threads;
  std::barrier both_failed(2);
  std::vector<int> wrong(2);
  std::vector<std::string> errors(2);
  for (std::size_t t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      std::vector<double> own(p.size());
      mec_embeddings embeddings = embeddings_of(kRows, p.data(), z.data());
      embeddings.dp = own.data();
      for (int i = 0; i < 50; ++i) {
        const mec_status status = mec_objective_evaluate(objective.handle, &embeddings, nullptr);
        wrong[t] += status == MEC_OK && own == dp ? 0 : 1;
      }
      embeddings.m = -1 - static_cast<std::int64_t>(t);
      mec_objective_evaluate(objective.handle, &embeddings, nullptr);
      both_failed.arrive_and_wait();
      errors[t] = mec_last_error();
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>{0, 0});
  CHECK(errors[0].find("m is -1 ") != std::string::npos);
  CHECK(errors[1].find("m is -2 ") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "a thread keeps its figures while another is given those of the same handle") {
  const Objective objective("");
  const auto evaluate = [&](const std::vector<double>& rows, mec_figures* given) {
    const mec_embeddings embeddings = embeddings_of(kRows, rows.data(), z.data());
    return mec_objective_evaluate(objective.handle, &embeddings, given);
  };
  mec_figures figures{};
  ok(evaluate(p, &figures));
  const auto before = by_name(figures);
  double other = before.at("loss");
  std::thread([&] {
    mec_figures of_other{};
    if (evaluate(z, &of_other) == MEC_OK) other = of_other.values[0];
  }).join();
  CHECK(other != before.at("loss"));
  ok(evaluate(z, nullptr));  // gives none
  CHECK(by_name(figures) == before);
}

TEST_CASE_FIXTURE(Fixture, "what an objective cannot take is refused") {
  mec_objective* none = nullptr;
  const auto open = [&](const char* settings) { return mec_objective_open(settings, nullptr, &none); };
  fails(open("method = \"dino\""), MEC_ERROR_VALUE, "mec_objective_open", "method is one of mec, ");
  fails(open("[mec]\nepsilon2 = 3"), MEC_ERROR_VALUE, "mec_objective_open", "mec.epsilon2");
  fails(open("[mec]\neps2 = -1"), MEC_ERROR_VALUE, "mec_objective_open", "mec.eps2 is positive, but is -1");
  fails(open("[mec]\norder = 0"), MEC_ERROR_VALUE, "mec_objective_open", "mec.order");
  fails(open("[mec"), MEC_ERROR_VALUE, "mec_objective_open", "settings:1: ");
  fails(mec_objective_open("", nullptr, nullptr), MEC_ERROR_HANDLE, "mec_objective_open", "null");
  CHECK(none == nullptr);

  const Objective mec(""), moco("method = \"moco-v2\"");
  const char* call = "mec_objective_evaluate";
  const auto evaluate = [&](const Objective& of, mec_dtype dtype, std::int64_t m, std::int64_t d, const void* P,
                            const void* keys) {
    mec_embeddings embeddings = embeddings_of(m, P, z.data());
    embeddings.dtype = dtype;
    embeddings.d = d;
    embeddings.queue = keys;
    embeddings.queue_rows = keys ? kQueue : 0;
    return mec_objective_evaluate(of.handle, &embeddings, nullptr);
  };
  fails(evaluate(mec, MEC_U8, kRows, kWidth, p.data(), nullptr), MEC_ERROR_DTYPE, call, "MEC_F32 or MEC_F64, but dtype is 0");
  fails(evaluate(mec, MEC_F64, 0, kWidth, p.data(), nullptr), MEC_ERROR_SHAPE, call, "m is 0 and d is 5");
  fails(evaluate(mec, MEC_F64, kRows, -5, p.data(), nullptr), MEC_ERROR_SHAPE, call, "d is -5");
  fails(evaluate(mec, MEC_F64, kRows, kWidth, nullptr, nullptr), MEC_ERROR_VALUE, call, "p is null");
  fails(mec_objective_evaluate(mec.handle, nullptr, nullptr), MEC_ERROR_VALUE, call, "embeddings is null");
  mec_embeddings newer = embeddings_of(kRows, p.data(), z.data());
  newer.size += 8;
  fails(mec_objective_evaluate(mec.handle, &newer, nullptr), MEC_ERROR_VALUE, call, "mec_embeddings.size is");
  newer.size = 0;
  fails(mec_objective_evaluate(mec.handle, &newer, nullptr), MEC_ERROR_VALUE, call, "mec_embeddings.size is 0");
  fails(evaluate(mec, MEC_F64, kRows, kWidth, p.data(), queue.data()), MEC_ERROR_VALUE, call, "reads no queue");
  fails(evaluate(moco, MEC_F64, kRows, kWidth, p.data(), nullptr), MEC_ERROR_VALUE, call, "reads a queue of keys");
  std::vector<double> bad = p;
  bad[3] = std::nan("");
  fails(evaluate(mec, MEC_F64, kRows, kWidth, bad.data(), nullptr), MEC_ERROR_NUMERICAL, call, "finite");
  bad[3] = 2e150;
  fails(evaluate(mec, MEC_F64, kRows, kWidth, bad.data(), nullptr), MEC_ERROR_VALUE, call,
        "mec: row 0 of p has the length 2e+150");
  std::vector<float> single(p.begin(), p.end());
  single[kWidth] = 2e19F;  // its square is no f32
  mec_embeddings f32 = embeddings_of(kRows, single.data(), single.data());
  f32.dtype = MEC_F32;
  for (const char* method : {"mec", "simsiam", "byol", "simclr", "barlow-twins", "vicreg", "swav"}) {
    const Objective objective(concat("method = \"", method, "\""));
    fails(mec_objective_evaluate(objective.handle, &f32, nullptr), MEC_ERROR_VALUE, call, "row 1 of p has the length 2e+19");
  }
  std::fill_n(single.begin() + kWidth, kWidth, 1e-13F);
  fails(mec_objective_evaluate(mec.handle, &f32, nullptr), MEC_ERROR_VALUE, call, "between 1e-12 and 1e+15");
  const Objective vicreg("method = \"vicreg\"");  // takes rows as they are
  ok(mec_objective_evaluate(vicreg.handle, &f32, nullptr));
  std::vector<double> keys = queue;
  std::fill_n(keys.begin() + 2 * kWidth, kWidth, 0.0);
  fails(evaluate(moco, MEC_F64, kRows, kWidth, p.data(), keys.data()), MEC_ERROR_VALUE, call,
        "row 2 of the queue has the length 0");
  const Objective stops("[mec]\neps2 = 0.5\non_divergence = \"stop\"");
  fails(evaluate(stops, MEC_F64, kRows, kWidth, p.data(), nullptr), MEC_ERROR_NUMERICAL, call, "does not converge");
}
