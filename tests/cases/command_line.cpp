// Numbers on the command line and in settings that no one can mean, or no machine can do: refused
// in a line that says which, the rule and the value.
#include <doctest/doctest.h>

#include <algorithm>
#include <regex>

#include "mec/nn/files/weights.h"
#include "mec/nn/files/weights_info.h"
#include "mec/nn/initialize.h"
#include "mec/tensor/devices.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

namespace {

using Words = std::vector<std::string>;

struct Fixture : RunFixture {
  Fixture() {
    const Device device = make_cpu_device({.threads = 1});
    const WeightsInfo info{
        .encoder = {.arch = "resnet10", .width = 2, .in_channels = 1, .stem = Stem::cifar},
        .image_size = 8,
        .mean = {0.5},
        .std = {0.25}};
    ResNet encoder(info.encoder, device);
    initialize(encoder, 1);
    save_weights(folder / "enc.safetensors", encoder, to_metadata(info));
  }

  // One line on stderr with all these words, neither long nor a message of the C++ library; the
  // folder is as it was.
  void refused(const Words& arguments, const Words& words) const {
    const auto before = listing(folder);
    const ProgramResult result = run_program(folder, arguments);
    CAPTURE(result.err);
    CHECK((result.status == 1 || result.status == 2));
    CHECK(std::ranges::count(result.err, '\n') == 1);
    CHECK(result.err.starts_with("error: "));
    CHECK(result.err.size() < 400);
    CHECK(result.err.find("std::") == std::string::npos);
    for (const std::string& word : words)
      CHECK_MESSAGE(result.err.find(word) != std::string::npos, word);
    CHECK(listing(folder) == before);
  }
  void refused_setting(const std::string& assignment, const Words& words) const {
    refused({"pretrain", config, "--out", at("run"), "--threads", "1", "--set", assignment}, words);
  }
  void refused_file(const std::string& text, const Words& words) const {
    write_bytes(folder / "other.toml", text);
    refused({"pretrain", at("other.toml"), "--out", at("run"), "--threads", "1"}, words);
  }
  void refused_embedding(const Words& options, const Words& words) const {
    Words all{"embed", at("enc.safetensors"), "--data",    at("data"),
              "--out", at("f.npy"),           "--threads", "1"};
    all.insert(all.end(), options.begin(), options.end());
    refused(all, words);
  }

  // The words that name each command, found by its help.
  std::vector<Words> commands(const Words& path = {}) const {
    Words words = path;
    words.push_back("--help");
    const std::string help = run(words).out;
    const std::size_t list = help.find("\nSubcommands:\n");
    if (list == std::string::npos) return {path};
    std::vector<Words> all;
    const std::regex name("\n  ([a-z0-9-]+)  ");
    for (std::sregex_iterator
             it(help.begin() + static_cast<std::ptrdiff_t>(list), help.end(), name),
         end;
         it != end; ++it) {
      words.back() = (*it)[1];
      for (const Words& command : commands(words)) all.push_back(command);
    }
    return all;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture,
                  "a number too large for its option is refused by every option that takes one") {
  int options = 0;
  for (const Words& command : commands()) {
    Words words = command;
    words.push_back("--help");
    const std::string help = run(words).out;
    const std::regex number("\n +(--[A-Za-z0-9-]+) (INT|FLOAT)");
    for (std::sregex_iterator it(help.begin(), help.end(), number), end; it != end; ++it) {
      const std::string option = (*it)[1],
                        value = (*it)[2] == "INT" ? "18446744073709551616" : "1e999";
      words.back() = option + "=" + value;
      CAPTURE(words);
      refused(words, {option + ": ", value});  // by its own rule, or by its type's range
      ++options;
    }
  }
  CHECK(options > 60);  // the pattern still finds them
}

TEST_CASE_FIXTURE(Fixture, "a number just within its type's range is still held to its rule") {
  refused({"pretrain", config, "--out", at("run"), "--seed", "18446744073709551616"},
          {"--seed", "18446744073709551616"});
  refused({"pretrain", config, "--out", at("run"), "--seed", "9223372036854775808"},
          {"--seed", "9223372036854775808"});
  refused({"pretrain", config, "--out", at("run"), "--threads", "4097"},
          {"--threads", "0 to 4096", "4097"});
  refused_embedding({"--workers", "1025"}, {"--workers", "0 to 1024", "1025"});
  refused_embedding({"--batch", "0"}, {"--batch", "above 0", "but is 0"});
  refused_embedding({"--limit", "-1"}, {"--limit", "0 or above", "but is -1"});
  const Words knn{"eval",      "knn",      at("enc.safetensors"),
                  "--data",    at("data"), "--no-baselines",
                  "--threads", "1",        "--k"};
  const auto with_k = [&](const char* k) {
    Words words = knn;
    words.push_back(k);
    return words;
  };
  refused(with_k("0"), {"--k", "above 0", "but is 0"});
  refused(with_k("+0"), {"--k", "above 0", "but is +0"});
  refused(with_k("+-5"), {"--k", "'+-5' is not a whole number"});
  refused(with_k("41"), {"k lies between 1 and the 40 training rows, but is 41"});
  refused(with_k("9223372036854775807"), {"40 training rows, but is 9223372036854775807"});
  refused({"loss", "simclr", "--p", at("p"), "--z", at("z"), "--temperature", "0"},
          {"--temperature", "from 0.01 to 100", "but is 0"});
}

TEST_CASE_FIXTURE(Fixture, "numbers in settings are of their type, finite and within their range") {
  const std::string data = "[data]\npath = \"" + at("data") + "\"\n";
  refused_file(data + "[train]\nseed = 18446744073709551616\n",
               {"other.toml:4", "18446744073709551616"});
  refused_file(data + "limit = 9223372036854775808\n", {"other.toml:3", "9223372036854775808"});
  refused_file(data + "[train]\nlr = 0.1\nlr = 0.2\n", {"other.toml:5", "lr"});
  refused_file(data + "[train]\nlr = 0.1\n[train]\nema = 0.2\n", {"other.toml:5", "train"});
  refused_file("train.lr = 0.1\n\"train.lr\" = 0.2\n", {"'train.lr' has a dot within quotes"});
  refused_file(data + "[train]\nlr = inf\n", {"train.lr is a finite number, but is inf"});
  refused_file(data + "[train]\nlr = -nan\n", {"train.lr is a finite number"});
  refused_file(data + "mean = [nan]\nstd = [1.0]\n[train]\nbatch = 16\n", {"mean nan"});
  refused_file(data + "mean = [true]\nstd = [1.0]\n",
               {"data.mean may contain only numbers"});
  refused_file(data + "[augment]\nhue = \"0.1\"\n",
               {"augment.view1.hue is a number, but got the text 0.1"});
  refused_file(data + "[augment]\nhue = 1e300\n", {"augment.view1.hue", "1e+300"});
  refused_file(data + "[[train]]\nlr = 1\n", {"train may contain only numbers"});
  refused_file(data + "[train]\nlr = 2020-01-01\n", {"train.lr", "date"});
  refused_file(data + "[train]\nepohcs = 3\n",
               {"unknown setting 'train.epohcs'; did you mean 'train.epochs'?"});
  refused_file(data + "[train]\nzzzzzzzzzzzzzzzz = 3\n",
               {"unknown setting 'train.zzzzzzzzzzzzzzzz'"});

  refused_setting("train.seed=18446744073709551616",
                  {"train.seed is a whole number", "18446744073709551616"});
  refused_setting("train.seed=-1", {"train.seed is at least 0, but is -1"});
  refused_setting("data.limit=-9223372036854775807",
                  {"data.limit is at least 0, but is -9223372036854775807"});
  refused_setting("train.epochs=9223372036854775807", {"9223372036854775807", "epochs"});
  refused_setting("train.batch=9223372036854775807", {"9223372036854775807", "40"});
  refused_setting("train.lr=1e300", {"train.lr", "1e+300"});
  refused_setting("train.lr=1e999", {"train.lr"});
  refused_setting("train.momentum=1.5", {"momentum", "1.5"});
  refused_setting("mec.order=9223372036854775807",
                  {"mec.order is at most 999, but is 9223372036854775807"});
  refused_setting("mec.eps2=1e-300", {"eps2 is 1e-300", "f32"});
  refused_setting("model.width=9223372036854775807", {"width", "9223372036854775807"});
  refused_setting("model.dim=2000000", {"model.dim is at most 1048576, but is 2000000"});
  refused_setting("model.proj_layers=1000000000",
                  {"model.proj_layers is at most 100, but is 1000000000"});
  refused_setting("augment.views=1000000000", {"augment.views is at most 100, but is 1000000000"});
  refused_setting("data.eval_size=20000", {"data.eval_size is at most 16384, but is 20000"});
  refused_setting("data.workers=2000", {"data.workers is at most 1024, but is 2000"});
}

TEST_CASE_FIXTURE(Fixture, "an image size is bounded, whoever asks for it, and never overflows") {
  for (const char* size : {"300000000", "100000", "16385", "9223372036854775807"}) {
    refused_embedding({"--size", size}, {"16384", size});
    refused_setting(concat("augment.size=", size), {"augment", "size", size});
  }
  refused_embedding({"--size", "0"}, {"--size", "0"});
}

TEST_CASE_FIXTURE(Fixture, "what does not fit into memory is refused with how much it would take") {
  // The first tensor that is too large is 4 TiB: nothing large is written to before.
  refused({"pretrain", config, "--out", at("run"), "--threads", "1", "--set", "model.dim=1048576",
           "--set", "model.proj_hidden=1048576"},
          {"the system has no further 4194304 MiB"});
  refused({"bench", "loss", "--order", "1000", "--threads", "1"}, {"--order", "1 to 999", "1000"});
  refused({"bench", "loss", "--rows", "4000000", "--width", "4000000", "--threads", "1"}, {"MiB"});
  refused({"bench", "loss", "--rows", "9223372036854775807", "--threads", "1"},
          {"2^48", "9223372036854775807"});
  refused({"bench", "step", "--batch", "9223372036854775807", "--threads", "1"},
          {"2^48", "9223372036854775807"});
  refused({"bench", "step", "--batch", "1000000000", "--width", "4", "--threads", "1"}, {"MiB"});
}

TEST_CASE_FIXTURE(Fixture, "a warm-up longer than the run is refused with both lengths") {
  refused_setting("train.warmup_epochs=3", {"train.warmup_epochs is 3", "train.epochs = 2",
                                            "train.lr would never be reached"});
  refused_setting("train.warmup_epochs=2.01", {"train.warmup_epochs is 2.01", "train.epochs = 2"});
  refused_setting("train.warmup_steps=5", {"train.warmup_steps is 5", "4 steps"});
  refused_setting("mec.lambda_warmup_epochs=3",
                  {"mec.lambda_warmup_epochs is 3", "train.epochs = 2", "mec.eps2 would never"});
  refused_setting("mec.lambda_warmup_steps=5", {"mec.lambda_warmup_steps is 5", "4 steps"});
}
