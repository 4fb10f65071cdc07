// Runs the real program, as a shell would.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "mec/data/image.h"
#include "mec/tensor/tensor.h"
#include "tensor/io_files.h"

namespace mec::test {

struct ProgramResult {
  int status = -1;
  std::string out, err;
};

ProgramResult run_program(const TempFolder& folder, const std::vector<std::string>& arguments);

// Names of all files and folders below, to see that a failure left nothing behind.
std::set<std::string> listing(const TempFolder& folder);

// The checkpoint of the most steps in a run's folder; step 0: there is none.
struct FoundCheckpoint {
  std::int64_t step = 0;
  std::filesystem::path path = {};
};
FoundCheckpoint newest_checkpoint_in(const std::filesystem::path& run);

// The program fails with this status and one line on stderr that holds `why`, and leaves the folder
// as it was.
void check_fails(const TempFolder& folder, int status, const std::string& why, const std::vector<std::string>& arguments);

// A data set of 8x8 images in MNIST's format: a bright bar whose place is the label, 0 to 3, on
// noise.
void write_images(const std::filesystem::path& folder, int train, int test);

// The pixels turned by 90 degrees, clockwise, and a PNG of those given that notes that they stand
// upright when so turned.
Image turned(const Image& image);
std::string make_noted_png(const Image& image);
// A data set of such files, train/<label>/… and test/<label>/…: random colors, labels 0 to 2.
void write_noted_images(const std::filesystem::path& folder, int train, int test);

// Settings of a run of two epochs of two steps on these images: seconds, even in a sanitised build.
std::string tiny_config(const std::filesystem::path& data);

// A folder for arrays in npy files.
struct ArrayFixture {
  ArrayFixture();

  TempFolder folder;
  Device device;

  std::string at(const std::string& name) const { return (folder / name).string(); }
  template <class T = float>
  std::string write(const std::string& name, const std::vector<T>& values, const Shape& shape) const {
    return write_tensor(name, Tensor::from(values, shape, device));
  }
  std::string write_tensor(const std::string& name, const Tensor& tensor) const;
  std::string write_random(const std::string& name, const Shape& shape, std::uint64_t seed) const;
};

// A folder with these images in `data` and these settings in `config.toml`.
struct RunFixture {
  TempFolder folder;
  std::string config = (folder / "config.toml").string();

  RunFixture();
  std::string at(const std::string& name) const { return (folder / name).string(); }
  // Fails the test when the program fails.
  ProgramResult run(const std::vector<std::string>& arguments) const;

  // Runs the program until `enough` says so; then kills it. Whether it ended by itself, well.
  bool run_until(const std::vector<std::string>& arguments, const std::function<bool()>& enough) const;
  // A run in the folder `out` that was killed after a checkpoint, and before that of `last_step`.
  // `arguments` begin it there.
  void stop_early(const std::vector<std::string>& arguments, const std::string& out, std::int64_t last_step) const;
};

}  // namespace mec::test
