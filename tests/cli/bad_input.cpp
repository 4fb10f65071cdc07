// Every bad input of a pre-training run: one line, the right status, nothing left behind.
#include <doctest/doctest.h>

#include <algorithm>

#include "data/fixtures.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

namespace {

struct Fixture : RunFixture {
  void fails(int status, const std::string& why, std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"pretrain", config, "--out", at("run")});
    check_fails(folder, status, why, more);
  }
  void fails_with(const std::string& setting, const std::string& why) const { fails(1, why, {"--set", setting}); }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "settings that make no sense are refused before anything is written") {
  fails_with("mec.epsilon=64", "unknown setting 'mec.epsilon'; did you mean 'mec.eps2'?");
  fails_with("mec.eps2=0", "eps2 is positive, but is 0");
  fails_with("mec.eps2=-64", "eps2 is positive, but is -64");
  fails_with("mec.order=0", "mec.order is at least 1");
  fails_with("train.batch=64", "64");  // more than the 40 images
  fails_with("train.epochs=0", "train.epochs is at least 1");
  fails_with("train.epochs=two", "train.epochs is a whole number, but got the text two");
  fails_with("train.optimizer=adam", "train.optimizer");
  fails_with("train.precision=f16", "train.precision");
  fails_with("model.arch=resnet19", "resnet19");
  fails_with("model.stem=none", "none");
  fails_with("method=simclrx", "method is one of mec, simsiam");
  fails_with("augment.flip_probability=2", "flip");
  fails_with("data.split=validation", "validation");
  fails_with("data.kind=imagenet", "imagenet");
  fails_with("data.path=\"\"", "data.path is missing");
  fails_with("data.mean=[0.5, 0.5, 0.5]", "normalization: 3 means and 0 deviations for images of 1 channels");
}

TEST_CASE_FIXTURE(Fixture, "damaged data are refused by name") {
  const std::string images = read_bytes(folder / "data/train-images-idx3-ubyte");
  const auto with_images = [&](const std::string& bytes, const std::string& why) {
    write_bytes(folder / "data/train-images-idx3-ubyte", bytes);
    fails(1, why);
  };
  with_images(images.substr(0, 1000), "train-images-idx3-ubyte");
  with_images(std::string("\x00\x00\x09\x03", 4) + images.substr(4), "train-images-idx3-ubyte");
  with_images(make_idx({40, 0, 8}, ""), "train-images-idx3-ubyte");
  const std::string gzip = make_gzip(images);
  with_images(gzip.substr(0, gzip.size() / 2), "train-images-idx3-ubyte");
  write_bytes(folder / "data/train-images-idx3-ubyte", images);
  std::filesystem::remove(folder / "data/train-labels-idx1-ubyte");
  fails(1, "train-labels-idx1-ubyte");
  std::filesystem::remove_all(folder / "data");
  fails(1, "data");
}

TEST_CASE_FIXTURE(Fixture, "an output folder that is in use or cannot be made is refused") {
  write_bytes(folder / "used/metrics.jsonl", "{}\n");
  write_bytes(folder / "file", "");
  check_fails(folder, 1, "the output folder is not empty; choose another with --out",
              {"pretrain", config, "--out", at("used")});
  check_fails(folder, 1, "the output folder cannot be made", {"pretrain", config, "--out", at("file/run")});
  check_fails(folder, 1, "/proc/mec-run", {"pretrain", config, "--out", "/proc/mec-run"});
  CHECK(read_bytes(folder / "used/metrics.jsonl") == "{}\n");
}

TEST_CASE_FIXTURE(Fixture, "a settings file that is missing or broken is refused by name") {
  check_fails(folder, 1, "nowhere.toml", {"pretrain", at("nowhere.toml"), "--out", at("run")});
  write_bytes(folder / "broken.toml", "[model\n");
  check_fails(folder, 1, "broken.toml:1:", {"pretrain", at("broken.toml"), "--out", at("run")});
}

TEST_CASE_FIXTURE(Fixture, "a run that leaves the finite numbers stops with step, loss and learning rate") {
  const ProgramResult result = run_program(folder, {"pretrain", config, "--out", at("run"), "--set", "train.lr=1e38", "--set",
                                                    "train.warmup_epochs=0", "--set", "train.epochs=5"});
  CHECK(result.status == 1);
  CHECK(std::ranges::count(result.err, '\n') == 1);
  for (const char* word : {"step", "loss", "learning rate"}) CHECK(result.err.find(word) != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "wrong usage has status 2, help has status 0") {
  fails(2, "--set: takes section.key=value", {"--set", "train.lr"});
  fails(2, "--device", {"--device", "gpu"});
  fails(2, "--precision", {"--precision", "f16"});
  fails(2, "--threads", {"--threads", "many"});
  fails(2, "--bogus", {"--bogus"});
  check_fails(folder, 2, "config", {"pretrain"});
  check_fails(folder, 2, "subcommand", {});
  check_fails(folder, 2, "subcommand", {"eval"});
  check_fails(folder, 2, "", {"train"});
  for (const std::string command : {"pretrain", "eval", "embed", "loss", "tsne", "study", "bench", "info", "report", "neighbours"}) {
    const ProgramResult help = run_program(folder, {command, "--help"});
    CHECK(help.status == 0);
    CHECK(help.out.find("mec " + command) != std::string::npos);
  }
  CHECK(run_program(folder, {"--help"}).status == 0);
  CHECK(run_program(folder, {"--version"}).out.starts_with("mec "));
}
