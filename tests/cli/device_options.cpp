// Every command works on the device and with the threads that it is told: the teams of threads that
// it makes are those that OpenMP itself reports.
#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "mec/data/encode_image.h"
#include "mec/ssl/methods/methods.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/io/npy.h"
#include "mec/tensor/ops.h"
#include "support/option_rows.h"

using namespace mec;
using namespace mec::test;

namespace {

struct Fixture : RunFixture {
  mutable int folders = 0;

  Fixture() {
    for (const std::uint64_t seed : {1, 2}) {
      const Tensor x = random({300, 200}, Dtype::f32, make_reference_device(), {.seed = seed});
      write_npy(folder / concat(seed, ".npy"), x);
    }
    run({"pretrain", config, "--threads", "1", "--out", at("trained")});
    run({"finetune", at("trained"), "--epochs", "1", "--no-baselines", "--threads", "1", "--out", at("finetuned")});
    write_bytes(folder / "q.png", encode_png({.width = 8, .height = 8, .channels = 1, .pixels = std::vector<std::uint8_t>(64)}));
  }
  // Enough work for three threads; NEW stands for a folder that is not there yet.
  std::vector<Words> commands() const {
    const std::string p = at("1.npy"), z = at("2.npy"), run = at("trained");
    std::vector<Words> all {
      {"pretrain", config, "--out", "NEW"}, {"embed", run, "--out", at("x.npy")},
          {"eval", "knn", run, "--no-baselines"}, {"eval", "linear", run, "--no-baselines"},
          {"eval", "table", run, "--no-baselines"}, {"coding", "length", "--z", z},
          {"coding", "mixture", "--z", z, "--kmeans", "3"},
          {"coding", "rate-reduction", "--z", z, "--kmeans", "3"},
          {"coding", "kl", "--z", z, "--g-means", p, "--g-variance", "1", "--samples", "0"},
          {"coding", "packing", "--z", z, "--eps2", "1"},
#if MEC_HAVE_ZLIB
          {"coding", "simplicity", "--z", z},
#endif
          {"finetune", run, "--epochs", "1", "--no-baselines", "--out", "NEW"},
          {"predict", at("finetuned"), "--out", at("p.csv")},
          {"tsne", run, "--n", "20", "--perplexity", "5", "--iterations", "250", "--out", "NEW"},
          {"report", run, "-o", at("report.html")},
          {"neighbours", run, "--image", at("q.png"), "-k", "1"},
          {"study", "noise", run, "--on", "features", "--feature-sigma", "0", "--out", "NEW"},
          {"study", "epsilon", config, "--eps2", "64", "--policies", "adapt", "--out", "NEW"},
          {"study", "order", config, "--orders", "1", "--out", "NEW"},
          {"study", "methods", config, "--methods", "mec", "--out", "NEW"},
          {"bench", "step",  "--width", "8",       "--size", "8",        "--batch",
           "8",     "--dim", "8",       "--steps", "1",      "--warmup", "0"},
          {"bench", "loss", "--rows", "300", "--width", "200", "--steps", "1", "--warmup", "0"},
    };
    for (const Method& method : methods()) {
      all.push_back({"loss", method.name, "--p", p, "--z", z});
      if (method.pair_reads_queue) all.back().insert(all.back().end(), {"--queue", z});
    }
    return all;
  }
  ProgramResult call(Words words, const Words& more) const {
    words.insert(words.end(), more.begin(), more.end());
    std::ranges::replace(words, "NEW", at(concat("new", folders++)));
    return run_program(folder, words);
  }
  // The largest team of threads that the program made; 1 where it made none.
  int largest_team(const Words& words, const Words& more) const {
    ::setenv("OMP_DISPLAY_AFFINITY", "true", 1);
    ::setenv("OMP_AFFINITY_FORMAT", "a team of %N", 1);
    const ProgramResult result = call(words, more);
    ::unsetenv("OMP_DISPLAY_AFFINITY");
    ::unsetenv("OMP_AFFINITY_FORMAT");
    CHECK_MESSAGE(result.status == 0, result.err);
    const std::string start = "a team of ";
    int largest = 1;
    std::istringstream lines(result.out + result.err);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with(start))
        largest = std::max(largest, std::stoi(line.substr(start.size())));
    }
    return largest;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture,
                  "every command works on the device and with the threads of its options") {
  const std::string why_no_gpu = describe_cuda().reason;
  for (const Words& words : commands()) {
    CAPTURE(words[0]);
    CAPTURE(words[1]);
    if (has_cpu_libraries()) {
      CHECK(largest_team(words, {"--threads", "3", "--kernels", "libraries"}) == 3);
      CHECK(largest_team(words, {"--threads", "3", "--kernels", "own"}) == 1);  // they have a pool
      CHECK(largest_team(words, {"--threads", "3", "--device", "reference"}) == 1);
    }
    if (why_no_gpu.empty()) continue;
    const ProgramResult result = call(words, {"--device", "cuda"});
    CHECK(result.status == 1);
    CHECK_MESSAGE(result.err.find(why_no_gpu) != std::string::npos, result.err);
  }
}

TEST_CASE_FIXTURE(Fixture,
                  "every command has its options tested in one of the files options_of_…") {
  std::set<Words> tested{{"info"}, {"bench", "ops"}};  // bench.cpp
  tested.insert({{"import"}, {"export"}});  // exchange.cpp
  tested.insert({"coding", "simplicity"});
  for (const Words& words : commands()) {
    const bool two = words[0] == "eval" || words[0] == "loss" || words[0] == "coding" ||
                     words[0] == "study" || words[0] == "bench";
    tested.emplace(words.begin(), words.begin() + (two ? 2 : 1));
  }
  const auto commands = commands_below({});
  CHECK(std::set<Words>(commands.begin(), commands.end()) == tested);
}
