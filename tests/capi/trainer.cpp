// A trainer of the C interface beside `mec pretrain`: the same bits.
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <locale>
#include <nlohmann/json.hpp>
#include <thread>

#include "capi/calls.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

namespace {

constexpr std::int64_t kImages = 40, kPixels = 64, kSteps = 4;  // of RunFixture: two epochs of two batches of 16

struct Fixture : RunFixture {
  Fixture() {
    pixels = read_bytes(folder / "data/train-images-idx3-ubyte").substr(16);
    settings = read_bytes(config);
    // Said, since a trainer has no data set for which they would be known: mnist's.
    const std::string data = "[data]\nmean = [0.25]\nstd = [0.5]\n";
    settings.replace(settings.find("[data]\n"), 7, data);
    write_bytes(config, settings);
  }

  std::string pretrain(const std::string& out, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all{"pretrain", config, "--threads", "1", "--out", at(out)};
    all.insert(all.end(), more.begin(), more.end());
    return run(all).out;
  }

  mec_trainer* open(const std::string& out, bool resume = false, const std::string& checkpoint = "") const {
    const std::string to = out.empty() ? "" : at(out), from = checkpoint.empty() ? "" : at(checkpoint);
    mec_trainer_options options = MEC_TRAINER_OPTIONS_INIT;
    options.images = kImages;
    options.channels = 1;
    options.folder = out.empty() ? nullptr : to.c_str();
    options.resume = resume ? 1 : 0;
    options.checkpoint = checkpoint.empty() ? nullptr : from.c_str();
    const mec_device device = one_thread();
    mec_trainer* trainer = nullptr;
    ok(mec_trainer_open(settings.c_str(), &options, &device, &trainer));
    return trainer;
  }

  mec_status step(mec_trainer* trainer, mec_figures* figures = nullptr) const {
    std::vector<std::int64_t> numbers(16);
    if (const mec_status status = mec_trainer_next(trainer, numbers.data())) return status;
    std::string batch;
    for (const std::int64_t number : numbers) batch += pixels.substr(static_cast<std::size_t>(number * kPixels), kPixels);
    const mec_images images{batch.data(), MEC_U8, 16, 8, 8, 1};
    return mec_trainer_step(trainer, &images, figures);
  }
  void feed(mec_trainer* trainer, std::int64_t until) const {
    mec_trainer_info info{};
    info.size = sizeof info;
    for (ok(mec_trainer_describe(trainer, &info)); info.steps_done < until; ++info.steps_done) ok(step(trainer));
  }
  // The call on a disk that takes no files of more than 4 KiB.
  template <class Call> mec_status on_full_disk(Call call) const {
    rlimit old{};
    REQUIRE(getrlimit(RLIMIT_FSIZE, &old) == 0);
    const rlimit full{.rlim_cur = 4096, .rlim_max = old.rlim_max};
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &full) == 0);
    const mec_status status = call();
    REQUIRE(setrlimit(RLIMIT_FSIZE, &old) == 0);
    std::signal(SIGXFSZ, handler);
    return status;
  }
  void check_same(const std::string& a, const std::string& b) const {
    for (const std::string file : {"encoder.safetensors", "checkpoint-4.safetensors", "metrics.jsonl", "settings.toml"})
      CHECK_MESSAGE(read_bytes(folder / a / file) == read_bytes(folder / b / file), file);
  }

  std::string pixels, settings;
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a C trainer's weights, figures and checkpoints are those of mec pretrain, to the bit") {
  for (const std::string method : {"mec", "moco-v2", "vicreg"}) {
    CAPTURE(method);
    if (method != "mec") {
      settings = "method = \"" + method + "\"\n" + (method == "moco-v2" ? "moco-v2.queue = 32\n" : "") +
                 "[model]\narch = \"resnet10\"\nstem = \"cifar\"\nwidth = 4\ndim = 16\nproj_hidden = 8\n"
                 "[train]\nepochs = 2\nbatch = 16\nlr = 0.1\nwarmup_epochs = 1\n" +
                 "[data]\nmean = [0.25]\nstd = [0.5]\npath = \"" + at("data") + "\"\n[augment]\nsize = 8\n";
      write_bytes(config, settings);
    }
    pretrain("read-" + method);
    mec_trainer* in_folder = open("fed-" + method);
    mec_trainer* in_memory = open("");
    feed(in_folder, kSteps);
    ok(mec_trainer_finish(in_folder));
    check_same("fed-" + method, "read-" + method);
    feed(in_memory, kSteps);
    ok(mec_trainer_save_encoder(in_memory, at("encoder").c_str()));
    ok(mec_trainer_save_checkpoint(in_memory, at("checkpoint").c_str()));
    CHECK(read_bytes(folder / "encoder") == read_bytes(folder / ("read-" + method) / "encoder.safetensors"));
    CHECK(read_bytes(folder / "checkpoint") == read_bytes(folder / ("read-" + method) / "checkpoint-4.safetensors"));
    ok(mec_trainer_free(in_folder));
    ok(mec_trainer_free(in_memory));
  }
}

TEST_CASE_FIXTURE(Fixture, "a C trainer and mec pretrain go on from each other's checkpoints, to the same bits") {
  pretrain("whole");

  mec_trainer* first = open("fed");
  feed(first, 3);
  ok(mec_trainer_finish(first));
  ok(mec_trainer_free(first));
  CHECK(pretrain("fed", {"--resume"}).find("after step 3 of 4") != std::string::npos);
  check_same("fed", "whole");

  pretrain("read");
  for (const std::string file : {"checkpoint-4.safetensors", "encoder.safetensors"})
    std::filesystem::remove(folder / "read" / file);
  mec_trainer* second = open("read", true);
  mec_trainer* from_file = open("", false, "whole/checkpoint-2.safetensors");
  feed(second, kSteps);
  ok(mec_trainer_finish(second));
  check_same("read", "whole");
  feed(from_file, kSteps);
  ok(mec_trainer_save_encoder(from_file, at("encoder").c_str()));
  CHECK(read_bytes(folder / "encoder") == read_bytes(folder / "whole/encoder.safetensors"));
  fails(step(second), MEC_ERROR_VALUE, "mec_trainer_next", "training was ended after step 4");
  fails(step(from_file), MEC_ERROR_VALUE, "mec_trainer_next", "all 4 steps are done");
  ok(mec_trainer_free(second));
  ok(mec_trainer_free(from_file));
}

TEST_CASE_FIXTURE(Fixture, "a step's figures have names: the loss, what the method measures, the schedules") {
  mec_trainer* trainer = open("run");
  mec_trainer_info info{};
  info.size = sizeof info;
  ok(mec_trainer_describe(trainer, &info));
  CHECK(info.batch == 16);
  CHECK(info.views == 2);
  CHECK(info.steps == kSteps);
  CHECK(info.steps_per_epoch == 2);
  CHECK(info.steps_done == 0);
  mec_figures figures{};
  ok(step(trainer, &figures));
  CHECK(std::string(figures.names[0]) == "loss");
  const auto values = by_name(figures);
  const std::string line = read_bytes(folder / "run/metrics.jsonl");
  for (const auto& figure : values) {
    const std::string name = figure.first;
    CHECK_MESSAGE((name == "skipped" || line.find("\"" + name + "\":") != std::string::npos), name);
  }
  for (const char* name : {"loss", "coding_length", "lr", "ema", "lambda", "skipped"})
    CHECK_MESSAGE(values.contains(name), name);
  CHECK(values.at("skipped") == 0);
  CHECK(line.find(concat("\"loss\":", nlohmann::json(values.at("loss")).dump())) != std::string::npos);
  ok(mec_trainer_free(trainer));
}

TEST_CASE_FIXTURE(Fixture, "trainers in two threads at once have the bits of one alone") {
  mec_trainer* alone = open("");
  feed(alone, kSteps);
  ok(mec_trainer_save_encoder(alone, at("alone").c_str()));
  mec_trainer* at_once[] = {open(""), open("")};
  std::vector<std::thread> threads;
  std::atomic<int> failed = 0;
  for (mec_trainer* trainer : at_once) {
    threads.emplace_back([&, trainer] {
      for (int i = 0; i < kSteps; ++i) failed += step(trainer) == MEC_OK ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failed == 0);
  for (mec_trainer* trainer : at_once) {
    ok(mec_trainer_save_encoder(trainer, at("encoder").c_str()));
    CHECK(read_bytes(folder / "encoder") == read_bytes(folder / "alone"));
    ok(mec_trainer_free(trainer));
  }
  ok(mec_trainer_free(alone));
}

TEST_CASE_FIXTURE(Fixture, "a trainer's encoder is a copy with a life of its own") {
  mec_trainer* trainer = open("");
  feed(trainer, 2);
  ok(mec_trainer_save_encoder(trainer, at("weights.safetensors").c_str()));
  mec_encoder *copy = nullptr, *saved = nullptr;
  ok(mec_trainer_encoder(trainer, &copy));
  feed(trainer, kSteps);
  ok(mec_trainer_free(trainer));
  const mec_device device = one_thread();
  ok(mec_encoder_open(at("weights.safetensors").c_str(), &device, &saved));
  std::vector<float> a(32 * 5), b(32 * 5);
  const mec_images images{pixels.data(), MEC_U8, 5, 8, 8, 1};
  ok(mec_encoder_embed(copy, &images, a.data()));
  ok(mec_encoder_embed(saved, &images, b.data()));
  CHECK(a == b);
  ok(mec_encoder_free(copy));
  ok(mec_encoder_free(saved));
}

TEST_CASE_FIXTURE(Fixture, "files that a full disk does not take are an error, and leave what was there") {
  mec_trainer* trainer = open("");
  feed(trainer, 1);
  const std::string checkpoint = at("checkpoint"), encoder = at("encoder");
  ok(mec_trainer_save_checkpoint(trainer, checkpoint.c_str()));
  const std::string before = read_bytes(folder / "checkpoint");
  feed(trainer, 2);
  const auto names = listing(folder);
  fails(on_full_disk([&] { return mec_trainer_save_checkpoint(trainer, checkpoint.c_str()); }), MEC_ERROR_IO,
        "mec_trainer_save_checkpoint", "cannot write " + checkpoint);
  fails(on_full_disk([&] { return mec_trainer_save_encoder(trainer, encoder.c_str()); }), MEC_ERROR_IO,
        "mec_trainer_save_encoder", "cannot write " + encoder);
  CHECK(listing(folder) == names);
  CHECK(read_bytes(folder / "checkpoint") == before);
  feed(trainer, kSteps);  // training goes on
  ok(mec_trainer_save_encoder(trainer, encoder.c_str()));
  ok(mec_trainer_free(trainer));
}

TEST_CASE_FIXTURE(Fixture, "a run whose end a full disk does not take may be finished when there is room") {
  pretrain("whole");
  mec_trainer* stopped = open("stopped");
  feed(stopped, 3);
  const auto finish_stopped = [&] { return mec_trainer_finish(stopped); };
  for (int i = 0; i < 2; ++i) fails(on_full_disk(finish_stopped), MEC_ERROR_IO, "mec_trainer_finish", "cannot write");
  fails(step(stopped), MEC_ERROR_VALUE, "mec_trainer_next", "training was ended after step 3");
  ok(mec_trainer_save_encoder(stopped, at("elsewhere").c_str()));
  ok(finish_stopped());
  fails(finish_stopped(), MEC_ERROR_VALUE, "mec_trainer_finish", "training was ended already");
  CHECK(pretrain("stopped", {"--resume"}).find("after step 3 of 4") != std::string::npos);  // no longer locked
  check_same("stopped", "whole");
  ok(mec_trainer_free(stopped));

  mec_trainer* complete = open("complete");
  feed(complete, 3);
  fails(on_full_disk([&] { return step(complete); }), MEC_ERROR_IO, "mec_trainer_step", "cannot write");
  fails(on_full_disk([&] { return mec_trainer_finish(complete); }), MEC_ERROR_IO, "mec_trainer_finish", "cannot write");
  ok(mec_trainer_save_encoder(complete, at("elsewhere").c_str()));
  CHECK(read_bytes(folder / "elsewhere") == read_bytes(folder / "whole/encoder.safetensors"));
  ok(mec_trainer_finish(complete));
  check_same("complete", "whole");
  ok(mec_trainer_free(complete));
}

TEST_CASE_FIXTURE(Fixture, "a program whose locale groups digits gets the same files and messages") {
  struct Grouping : std::numpunct<char> {
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\1"; }  // 16 is 1.6
  };
  settings.replace(settings.find("epochs = 2\n"), 11, "epochs = 6\n");
  write_bytes(config, settings);
  pretrain("read");
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new Grouping));
  mec_trainer* trainer = open("fed");
  feed(trainer, 12);
  const mec_status finished = mec_trainer_finish(trainer);
  const mec_status after_it = step(trainer);
  const std::string said = mec_last_error();
  std::locale::global(before);
  ok(finished);
  CHECK(after_it == MEC_ERROR_VALUE);
  CHECK_MESSAGE(said.find("after step 12") != std::string::npos, said);
  for (const std::string file : {"encoder.safetensors", "checkpoint-12.safetensors", "metrics.jsonl", "settings.toml"})
    CHECK_MESSAGE(read_bytes(folder / "fed" / file) == read_bytes(folder / "read" / file), file);
  ok(mec_trainer_free(trainer));
}

TEST_CASE_FIXTURE(Fixture, "what a trainer cannot take is refused") {
  mec_trainer* trainer = nullptr;
  mec_trainer_options options = MEC_TRAINER_OPTIONS_INIT;
  options.images = kImages;
  options.channels = 1;
  const auto open = [&](const std::string& text) { return mec_trainer_open(text.c_str(), &options, nullptr, &trainer); };
  const char* call = "mec_trainer_open";
  fails(open("[train]\nlr2 = 1\n"), MEC_ERROR_VALUE, call, "settings: ");
  fails(open("[train]\nlr = 1\n"), MEC_ERROR_VALUE, call, "fewer than the 1024 of a batch");
  fails(mec_trainer_open(nullptr, &options, nullptr, &trainer), MEC_ERROR_VALUE, call, "settings is null");
  fails(mec_trainer_open(settings.c_str(), nullptr, nullptr, &trainer), MEC_ERROR_VALUE, call, "options is null");
  options.channels = 2;
  fails(open(settings), MEC_ERROR_VALUE, call, "channels is 1 or 3, but is 2");
  options.channels = 1;
  options.checkpoint = "nowhere";
  fails(open(settings), MEC_ERROR_IO, call, "nowhere");
  const std::string file = at("config.toml") + "/run";
  options.checkpoint = nullptr;
  options.folder = file.c_str();
  fails(open(settings), MEC_ERROR_IO, call, "the output folder cannot be made");
  options.size = sizeof options + 8;
  fails(open(settings), MEC_ERROR_VALUE, call, "mec_trainer_options.size is");
  CHECK(trainer == nullptr);

  trainer = this->open("");
  call = "mec_trainer_step";
  std::vector<float> values(16 * 64);
  const auto step = [&](const mec_images& images) { return mec_trainer_step(trainer, &images, nullptr); };
  fails(step({values.data(), MEC_F32, 16, 8, 8, 1}), MEC_ERROR_DTYPE, call, "mec_trainer_step_views takes f32");
  fails(step({values.data(), MEC_U8, 15, 8, 8, 1}), MEC_ERROR_SHAPE, call, "takes images (16,H,W,1), but got (15,8,8,1)");
  fails(mec_trainer_step(trainer, nullptr, nullptr), MEC_ERROR_VALUE, call, "images is null");
  fails(mec_trainer_step_views(trainer, nullptr, 2, nullptr), MEC_ERROR_VALUE, "mec_trainer_step_views", "views is null");
  mec_images views[2] = {{values.data(), MEC_F32, 16, 8, 8, 1}, {values.data(), MEC_U8, 16, 8, 8, 1}};
  fails(mec_trainer_step_views(trainer, views, 1, nullptr), MEC_ERROR_SHAPE, "mec_trainer_step_views", "takes 2 views");
  fails(mec_trainer_step_views(trainer, views, std::int64_t{1} << 40, nullptr), MEC_ERROR_SHAPE, "mec_trainer_step_views",
        "takes 2 views (augment.views), but count is 1099511627776");
  fails(mec_trainer_step_views(trainer, views, 2, nullptr), MEC_ERROR_DTYPE, "mec_trainer_step_views",
        "the dtype of view 1 is 0");
  fails(mec_trainer_save_checkpoint(trainer, at("c").c_str()), MEC_ERROR_VALUE, "mec_trainer_save_checkpoint",
        "none is done yet");
  fails(mec_trainer_save_encoder(trainer, at("no/folder").c_str()), MEC_ERROR_IO, "mec_trainer_save_encoder", "no/folder");
  fails(mec_trainer_next(trainer, nullptr), MEC_ERROR_HANDLE, "mec_trainer_next", "numbers is null");
  feed(trainer, kSteps);
  fails(mec_trainer_save_checkpoint(trainer, nullptr), MEC_ERROR_VALUE, "mec_trainer_save_checkpoint", "file is null");
  ok(mec_trainer_free(trainer));
  fails(this->step(trainer), MEC_ERROR_HANDLE, "mec_trainer_next", "no open trainer");
}

TEST_CASE_FIXTURE(Fixture, "notes are told to the caller, who may say nothing") {
  settings.replace(settings.find("[train]\n"), 8, "[train]\nhealth_steps = 1\n");
  std::vector<std::string> notes;
  mec_trainer_options options = MEC_TRAINER_OPTIONS_INIT;
  options.images = kImages;
  options.channels = 1;
  options.note = [](const char* line, void* to) { static_cast<std::vector<std::string>*>(to)->emplace_back(line); };
  options.context = &notes;
  mec_trainer* trainer = nullptr;
  ok(mec_trainer_open(settings.c_str(), &options, nullptr, &trainer));
  const std::string blank(16 * 64, '\0');
  const mec_images images{blank.data(), MEC_U8, 16, 8, 8, 1};
  for (int i = 0; i < kSteps; ++i) ok(mec_trainer_step(trainer, &images, nullptr));
  REQUIRE_FALSE(notes.empty());  // images that are all alike
  CHECK(notes.front().find("embeddings") != std::string::npos);
  ok(mec_trainer_free(trainer));
}
