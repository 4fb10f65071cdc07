// Every input that is kept, through its reader, in the default build: the seeds of corpus/<target>,
// the bytes that once were findings, and the image files of the goldens.
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>
#include <ctime>

#include "fuzz/targets.h"
#include "mec/tensor/devices.h"
#include "support/golden.h"
#include "support/paths.h"
#include "tensor/io_files.h"

using namespace mec;
using namespace mec::test;
namespace fs = std::filesystem;

namespace {

struct Input {
  std::string name;
  std::vector<std::uint8_t> bytes;
};

std::vector<Input> corpus_of(const std::string& target) {
  std::vector<Input> inputs;
  const fs::path folder = source_dir() / "tests" / "fuzz" / "corpus" / target;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string bytes = read_bytes(entry.path());
    inputs.push_back({entry.path().filename().string(), {bytes.begin(), bytes.end()}});
  }
  return inputs;
}

// Image files named "jpeg/…" are for the targets jpeg and jpeg_stb.
std::vector<Input> goldens_of(const std::string& target) {
  static const SafetensorsFile goldens = Golden("images", make_reference_device()).part("");
  const std::string beginning = target.substr(0, target.find('_')) + "/";
  std::vector<Input> inputs;
  for (const NamedTensor& entry : goldens.tensors) {
    if (entry.name.starts_with(beginning) && entry.name.ends_with("/file"))
      inputs.push_back({entry.name, entry.tensor.to_vector<std::uint8_t>()});
  }
  return inputs;
}

std::uint64_t most_memory() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) << 10;
}

}  // namespace

TEST_CASE("every seed and every past finding has an answer, soon and in little memory") {
  constexpr double kSoon = 10;  // seconds of the processor, under sanitizers
  constexpr std::uint64_t kLittle = std::uint64_t{1} << 30;
  for (const fuzz::Target& target : fuzz::targets()) {
    const std::string name(target.name);
    std::vector<Input> inputs = corpus_of(name);
    CHECK_MESSAGE(!inputs.empty(), name);
    std::ranges::move(goldens_of(name), std::back_inserter(inputs));
    for (const Input& input : inputs) {
      CAPTURE(name);
      CAPTURE(input.name);
      const std::clock_t start = std::clock();
      CHECK(fuzz::finding_of(target, input.bytes) == "");
      CHECK(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC < kSoon);
      CHECK(most_memory() < kLittle);
    }
  }
}

TEST_CASE("a small file that claims a large picture is refused for its claim") {
  int claims = 0;
  for (const fuzz::Target& target : fuzz::targets()) {
    for (const Input& input : corpus_of(std::string(target.name))) {
      if (!input.name.starts_with("claims")) continue;
      ++claims;
      CAPTURE(target.name);
      try {
        target.read(input.bytes);  // does nothing where this build does not read the format
      } catch (const IoError& error) {
        CHECK(std::string(error.what()).find("may hold at most 67108864") != std::string::npos);
      }
    }
  }
  CHECK(claims >= 10);
}

TEST_CASE("what is no answer is a finding") {
  const auto reader_that = [](void (*read)(fuzz::Bytes)) { return fuzz::Target{"planted", read}; };
  const fuzz::Target answers = reader_that([](fuzz::Bytes) { throw IoError("a reason"); });
  CHECK(fuzz::finding_of(answers, {}) == "");
  const fuzz::Target out_of_memory = reader_that([](fuzz::Bytes) { throw std::bad_alloc(); });
  CHECK(fuzz::finding_of(out_of_memory, {}).find("bad_alloc") != std::string::npos);
  const fuzz::Target silent = reader_that([](fuzz::Bytes) { throw IoError(""); });
  CHECK(fuzz::finding_of(silent, {}) == "planted: an error without text");
}
