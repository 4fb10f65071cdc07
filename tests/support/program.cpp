#include "support/program.h"

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "data/fixtures.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/io/npy.h"
#include "mec/tensor/ops/elementwise.h"
#include "support/paths.h"
#include "support/process.h"

namespace mec::test {

ProgramResult run_program(const TempFolder& folder, const std::vector<std::string>& arguments) {
  std::string command = program_path();
  for (const std::string& argument : arguments) {
    command += " '";
    for (const char c : argument) command += c == '\'' ? std::string("'\\''") : std::string(1, c);
    command += "'";
  }
  const std::filesystem::path out = folder / "stdout.txt", err = folder / "stderr.txt";
  const int status = std::system(concat(command, " >", out.string(), " 2>", err.string()).c_str());
  const ProgramResult result{
      .status = WIFEXITED(status) ? WEXITSTATUS(status) : -1, .out = read_bytes(out), .err = read_bytes(err)};
  std::filesystem::remove(out);
  std::filesystem::remove(err);
  return result;
}

std::set<std::string> listing(const TempFolder& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) names.insert(entry.path().string());
  return names;
}

FoundCheckpoint newest_checkpoint_in(const std::filesystem::path& run) {
  FoundCheckpoint newest;
  std::error_code ignored;  // files come and go
  for (const auto& entry : std::filesystem::directory_iterator(run, ignored)) {
    const std::string name = entry.path().filename().string(), before = "checkpoint-";
    if (!name.starts_with(before) || !name.ends_with(".safetensors")) continue;
    const std::int64_t step = std::atoll(name.c_str() + before.size());
    if (step > newest.step) newest = {.step = step, .path = entry.path()};
  }
  return newest;
}

void check_fails(const TempFolder& folder, int status, const std::string& why, const std::vector<std::string>& arguments) {
  const auto before = listing(folder);
  const ProgramResult result = run_program(folder, arguments);
  CAPTURE(result.err);
  CHECK(result.status == status);
  CHECK(std::ranges::count(result.err, '\n') == 1);
  CHECK(result.err.starts_with("error: "));
  CHECK(result.err.find(why) != std::string::npos);
  CHECK(listing(folder) == before);
}

void write_images(const std::filesystem::path& folder, int train, int test) {
  for (const auto& [prefix, count] : {std::pair("train", train), std::pair("t10k", test)}) {
    std::string pixels, labels;
    RandomStream random(static_cast<std::uint64_t>(count), 0, 0, Purpose::test);
    for (int i = 0; i < count; ++i) {
      const int label = i % 4;
      for (int pixel = 0; pixel < 64; ++pixel) {
        const int bar = pixel % 8 / 2 == label ? 150 : 0;
        pixels += static_cast<char>(bar + static_cast<int>(random.below(100)));
      }
      labels += static_cast<char>(label);
    }
    const auto n = static_cast<std::uint32_t>(count);
    write_bytes(folder / concat(prefix, "-images-idx3-ubyte"), make_idx({n, 8, 8}, pixels));
    write_bytes(folder / concat(prefix, "-labels-idx1-ubyte"), make_idx({n}, labels));
  }
}

Image turned(const Image& image) {
  Image to{image.height, image.width, image.channels, {}};
  for (int y = 0; y < to.height; ++y) {
    for (int x = 0; x < to.width; ++x) {
      const int from = image.channels * ((image.height - 1 - x) * image.width + y);
      to.pixels.insert(to.pixels.end(), image.pixels.begin() + from, image.pixels.begin() + from + image.channels);
    }
  }
  return to;
}

std::string make_noted_png(const Image& image) {
  const std::string note("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0", 22);
  std::string file = make_png(static_cast<std::uint32_t>(image.width), static_cast<std::uint32_t>(image.height), image.pixels);
  return file.insert(33, png_chunk("eXIf", note));  // after the header
}

void write_noted_images(const std::filesystem::path& folder, int train, int test) {
  for (const auto& [split, count] : {std::pair("train", train), std::pair("test", test)}) {
    for (int i = 0; i < count; ++i) {
      const auto seed = static_cast<std::uint64_t>(1000 * count + i);
      write_bytes(folder / split / concat(i % 3, "/", 1000 + i, ".png"), make_noted_png(random_image({12, 8}, 3, seed)));
    }
  }
}

std::string tiny_config(const std::filesystem::path& data) {
  return concat("[model]\narch = \"resnet10\"\nstem = \"cifar\"\nwidth = 4\ndim = 16\npred_hidden = 8\n",
                "[mec]\neps2 = 16\nlambda_warmup_epochs = 1\n",
                "[train]\nepochs = 2\nbatch = 16\nlr = 0.1\nwarmup_epochs = 1\nema = 0.9\n", "[data]\npath = \"", data.string(),
                "\"\n[augment]\nsize = 8\nblur_probability = 0\n");
}

ArrayFixture::ArrayFixture() : device(make_reference_device()) {}

std::string ArrayFixture::write_random(const std::string& name, const Shape& shape, std::uint64_t seed) const {
  write_npy(at(name), random(shape, Dtype::f32, device, {.seed = seed}));
  return at(name);
}
std::string ArrayFixture::write_tensor(const std::string& name, const Tensor& tensor) const {
  write_npy(at(name), tensor);
  return at(name);
}

RunFixture::RunFixture() {
  write_images(folder / "data", 40, 20);
  write_bytes(config, tiny_config(folder / "data"));
}

ProgramResult RunFixture::run(const std::vector<std::string>& arguments) const {
  const ProgramResult result = run_program(folder, arguments);
  REQUIRE_MESSAGE(result.status == 0, result.err);
  return result;
}

bool RunFixture::run_until(const std::vector<std::string>& arguments, const std::function<bool()>& enough) const {
  Process process(arguments);
  if (!process.wait_until(enough)) process.send(SIGKILL);
  const int status = process.wait();
  const bool killed = status == 128 + SIGKILL;
  if (!killed) REQUIRE(status == 0);
  return !killed;
}

void RunFixture::stop_early(const std::vector<std::string>& arguments, const std::string& out, std::int64_t last_step) const {
  for (int attempt = 0; attempt < 20; ++attempt) {  // a busy machine may look too late
    std::filesystem::remove_all(folder / out);
    const bool ended = run_until(arguments, [&] { return newest_checkpoint_in(folder / out).step > 0; });
    if (!ended && newest_checkpoint_in(folder / out).step != last_step) return;
  }
  FAIL("the run always ended before it was killed");
}

}  // namespace mec::test
