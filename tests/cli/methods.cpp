// Every method from the command line: `mec loss NAME`, settings that start from the defaults of
// a method, a run.
#include "mec/ssl/methods/methods.h"

#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "mec/ssl/run/settings_file.h"
#include "mec/ssl/run/settings_table.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/io/npy.h"
#include "mec/tensor/ops.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

namespace {

struct Fixture : RunFixture {
  Device device = make_reference_device();

  std::string write(const std::string& name, const Tensor& x) const {
    write_npy(folder / name, x);
    return at(name);
  }
  std::string random_rows(const std::string& name, std::int64_t rows, std::uint64_t seed) const {
    return write(name, random({rows, 6}, Dtype::f32, device, {.scale = 0.3, .seed = seed}));
  }
  nlohmann::json loss(const std::vector<std::string>& arguments) const {
    std::vector<std::string> all{"loss"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const ProgramResult result = run_program(folder, all);
    REQUIRE_MESSAGE(result.status == 0, result.err);
    CHECK(std::ranges::count(result.out, '\n') == 1);
    return nlohmann::json::parse(result.out);
  }
  PretrainSettings read_text(const std::string& text) const {
    write_bytes(folder / "method.toml", text);
    return read_settings(folder / "method.toml");
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "mec loss works for every method, and its gradients are those of the loss that it prints") {
  const std::string p = random_rows("p.npy", 5, 1), z = random_rows("z.npy", 5, 2), queue = random_rows("queue.npy", 7, 3);
  const Tensor x = read_npy(p, device), direction = random(x.shape(), Dtype::f64, device, {.seed = 4});
  for (const Method& method : methods()) {
    CAPTURE(method.name);
    const auto with = [&](const std::string& first, std::vector<std::string> more = {}) {
      std::vector<std::string> all{method.name, "--p", first, "--z", z};
      if (method.pair_reads_queue) all.insert(all.end(), {"--queue", queue});
      all.insert(all.end(), more.begin(), more.end());
      return loss(all);
    };
    const auto out = with(p, {"--grad-p", at("gp.npy"), "--grad-z", at("gz.npy")});
    CHECK(std::isfinite(out.at("loss").get<double>()));
    CHECK(out.at("m") == 5);
    CHECK(out.at("d") == 6);
    CHECK(read_npy(at("gz.npy"), device).shape() == x.shape());
    // Its assignments move with the scores, but carry no gradient.
    if (method.name == "swav") continue;
    const auto moved = [&](double h) {
      return with(write("moved.npy", add(x.to(Dtype::f64), scale(direction, h)))).at("loss").get<double>();
    };
    const double slope = (moved(1e-4) - moved(-1e-4)) / 2e-4;
    const Tensor gradient = read_npy(at("gp.npy"), device).to(Dtype::f64);
    CHECK(sum(mul(gradient, direction)).item() == doctest::Approx(slope).epsilon(1e-4));  // f32 files
  }
}

TEST_CASE_FIXTURE(Fixture, "mec loss takes each method's own numbers, and refuses what does not fit") {
  const std::string p = random_rows("p.npy", 5, 1), z = random_rows("z.npy", 5, 2), longer = random_rows("longer.npy", 6, 2);
  CHECK(loss({"simclr", "--p", p, "--z", z}) == loss({"simclr", "--p", p, "--z", z, "--temperature", "0.2"}));
  CHECK(loss({"simclr", "--p", p, "--z", z}) != loss({"simclr", "--p", p, "--z", z, "--temperature", "0.5"}));
  CHECK(loss({"swav", "--p", p, "--z", z}) != loss({"swav", "--p", p, "--z", z, "--rounds", "9"}));
  check_fails(folder, 2, "--temperature", {"loss", "simclr", "--p", p, "--z", z, "--temperature", "0"});
  check_fails(folder, 2, "--temperature", {"loss", "byol", "--p", p, "--z", z, "--temperature", "1"});
  check_fails(folder, 2, "--queue is required", {"loss", "moco-v2", "--p", p, "--z", z});
  check_fails(folder, 2, "each gradient needs a file of its own",
              {"loss", "byol", "--p", p, "--z", z, "--grad-p", "g.npy", "--grad-z", "g.npy"});
  check_fails(folder, 1, "both must be (m,d)", {"loss", "vicreg", "--p", p, "--z", longer});
  const std::string narrow = write("narrow.npy", random({3, 4}, Dtype::f32, device, {.seed = 1}));
  check_fails(folder, 1, "narrow.npy is (3,4), but must be (L,6)", {"loss", "moco-v2", "--p", p, "--z", z, "--queue", narrow});
  const std::string one = write("one.npy", random({1, 6}, Dtype::f32, device, {.seed = 1}));
  check_fails(folder, 1, "a variance needs two rows", {"loss", "vicreg", "--p", one, "--z", one});
}

TEST_CASE_FIXTURE(Fixture, "a method brings its default settings, which the file's other keys change, wherever they stand") {
  const PretrainSettings plain = read_text("method = \"moco-v2\"\n");
  CHECK(plain.model.dim == 128);
  CHECK(plain.model.pred_hidden == 0);
  CHECK(plain.train.ema_end == 0.999);
  CHECK(plain.method_settings.at("queue") == 65536);
  const PretrainSettings changed = read_text(
      "method = \"moco-v2\"\n[train]\nlr = 0.5\n[model]\ndim = 64\nwidth = 16\n[moco-v2]\nqueue = 512\ntemperature = 0.1\n");
  CHECK(changed.model.dim == 64);
  CHECK(changed.model.width == 16);
  CHECK(changed.train.lr == 0.5);
  CHECK(changed.method_settings.at("queue") == 512);
  CHECK(changed.method_settings.at("temperature") == 0.1);
  CHECK(changed.train.ema == 0.999);
  CHECK_THROWS_WITH_AS(read_text("method = \"byol\"\n[simclr]\ntemperature = 0.2\n"),
                       doctest::Contains("'simclr.temperature' is a setting of method \"simclr\", but the method is \"byol\""),
                       ValueError);
  CHECK_THROWS_WITH_AS(read_text("method = \"simclr\"\n[simclr]\ntemperature = 0\n"),
                       doctest::Contains("simclr.temperature is at least 0.01, but is 0"), ValueError);
  CHECK_THROWS_WITH_AS(read_text("method = \"moco-v2\"\n[moco-v2]\nqueue = 2.5\n"), doctest::Contains("is a whole number"),
                       ValueError);
  CHECK_THROWS_WITH_AS(read_text("method = \"dino\"\n"), doctest::Contains("method is one of mec, "), ValueError);
}

TEST_CASE_FIXTURE(Fixture, "the settings of every method that were written are read back the same") {
  for (const Method& method : methods()) {
    CAPTURE(method.name);
    PretrainSettings settings = read_text(concat("method = \"", method.name, "\"\n[augment]\nviews = 3\n"));
    for (const Setting& setting : bind_settings(settings)) {
      if (!setting.key.starts_with(method.name + ".") || method.name == "mec") continue;
      const SettingValue value = setting.get();
      if (const auto* whole = std::get_if<std::int64_t>(&value)) setting.set(*whole + 1);
      else setting.set(std::get<double>(value) * 1.5);
    }
    const std::string text = write_settings(settings);
    CHECK(write_settings(read_text(text)) == text);
  }
}

TEST_CASE_FIXTURE(
    Fixture,
    "settings that only other methods have are refused, with theirs and the method's own") {
  const auto refused = [&](const std::string& text, const std::string& message) {
    CHECK_THROWS_WITH_AS(read_text(text), doctest::Contains(message.c_str()), ValueError);
  };
  refused("method = \"simclr\"\n[mec]\neps2 = 64\n",
          "'mec.eps2' is a setting of method \"mec\", but the method is \"simclr\", whose own "
          "settings are simclr.temperature");
  refused("method = \"simsiam\"\n[mec]\norder = 4\n",
          "'mec.order' is a setting of method \"mec\", but the method is \"simsiam\", which has no "
          "settings of its own");
  refused("method = \"moco-v2\"\n[swav]\nepsilon = 0.1\n",
          "whose own settings are moco-v2.temperature, moco-v2.queue");
  refused("[simclr]\ntemperature = 0.1\n",
          "but the method is \"mec\", whose own settings are mec.order, mec.exact, ");
  refused("method = \"simclr\"\n[train]\nema = 0.9\n",
          "'train.ema' is a setting of method \"mec\", \"moco-v2\", \"byol\", but the method is "
          "\"simclr\"");
  refused("method = \"vicreg\"\n[train]\nema_end = 0.9\n",
          "'train.ema_end' is a setting of method");
  refused("method = \"simclr\"\n[mec]\nepsilon = 64\n",
          "'mec.epsilon' is a setting of method \"mec\"");
  PretrainSettings settings = read_text("method = \"byol\"\n[train]\nema = 0.95\n");
  CHECK(settings.train.ema == 0.95);
  CHECK_THROWS_WITH_AS(apply_assignments(settings, {"mec.eps2=64"}),
                       doctest::Contains("but the method is \"byol\""), ValueError);
  apply_assignments(settings, {"mec.eps2=32", "method=mec"});  // the method goes first
  CHECK(settings.method_settings.at("eps2") == 32);
}

TEST_CASE_FIXTURE(
    Fixture, "a regulariser's settings are refused without its weight, in a file and by --set") {
  CHECK_THROWS_WITH_AS(
      read_text("[mixture_kl]\nbandwidth = 0.1\n"),
      doctest::Contains(
          "'mixture_kl.bandwidth' has no effect, since mixture_kl.weight is 0 unless it is set"),
      ValueError);
  CHECK(read_text("[mixture_kl]\nbandwidth = 0.1\nweight = 0.5\n").mixture_kl.bandwidth == 0.1);
  CHECK(read_text("[mixture_kl]\nweight = 0.0\nbandwidth = 0.1\n").mixture_kl.weight ==
        0);  // said, so meant
  PretrainSettings settings;
  CHECK_THROWS_AS(apply_assignments(settings, {"mixture_kl.seed=3"}), ValueError);
  apply_assignments(settings, {"mixture_kl.seed=3", "mixture_kl.weight=0.5"});
  CHECK(settings.mixture_kl.seed == 3);
  apply_assignments(settings, {"mixture_kl.seed=4"});
  CHECK(settings.mixture_kl.seed == 4);
}

TEST_CASE_FIXTURE(
    Fixture, "one file serves several methods: each takes its own settings, and those of all") {
  write_bytes(folder / "several.toml",
              "[model]\ndim = 48\n[mec]\neps2 = 32\n[simclr]\ntemperature = 0.5\n[train]\nema = "
              "0.9\nlr = 0.25\n");
  const PretrainSettings mec = read_settings(folder / "several.toml", "mec"),
                         simclr = read_settings(folder / "several.toml", "simclr");
  CHECK(mec.model.dim == 48);
  CHECK(mec.method_settings.at("eps2") == 32);
  CHECK(mec.train.ema == 0.9);
  CHECK(mec.train.lr == 0.25);
  CHECK(simclr.model.dim == 48);
  CHECK(simclr.method_settings.at("temperature") == 0.5);
  CHECK_FALSE(simclr.method_settings.contains("eps2"));
  CHECK(simclr.train.ema == TrainSettings{}.ema);
  CHECK(simclr.train.lr == 0.25);
  write_bytes(folder / "several.toml",
              "[simclr]\ntemperatur = 0.5\n");  // wrong for whom it is meant
  CHECK_THROWS_WITH_AS(read_settings(folder / "several.toml", "mec"),
                       doctest::Contains("did you mean 'simclr.temperature'?"), ValueError);
  write_bytes(folder / "several.toml", "[simclr]\ntemperature = -1\n");
  CHECK_THROWS_AS(read_settings(folder / "several.toml", "mec"), ValueError);
}

TEST_CASE_FIXTURE(
    Fixture, "a run's folder may hold settings of other methods, as earlier versions wrote them") {
  run({"pretrain", config, "--out", at("run"), "--threads", "1", "--set", "method=simsiam", "--set",
       "train.batch=16", "--set", "model.dim=16", "--set", "train.epochs=2"});
  const std::string text = read_bytes(folder / "run/settings.toml");
  CHECK(text.find("[mec]") == std::string::npos);
  CHECK(text.find("\nema = ") == std::string::npos);
  const std::string all_methods = write_settings(PretrainSettings{});
  const std::size_t mec = all_methods.find("[mec]"), next = all_methods.find("\n[mixture_kl]");
  write_bytes(folder / "run/settings.toml", text + "\n" + all_methods.substr(mec, next - mec));
  const ProgramResult evaluated = run_program(
      folder, {"eval", "knn", at("run"), "--k", "3", "--no-baselines", "--threads", "1", "--json"});
  CHECK_MESSAGE(evaluated.status == 0, evaluated.err);
  const ProgramResult resumed =
      run_program(folder, {"pretrain", "--resume", at("run"), "--threads", "1"});
  CHECK_MESSAGE(resumed.status == 0, resumed.err);
  check_fails(folder, 1, "'mec.", {"pretrain", at("run/settings.toml"), "--out", at("again")});
}

TEST_CASE_FIXTURE(Fixture, "every method trains from the command line, and its encoder can be evaluated") {
  for (const Method& method : methods()) {
    CAPTURE(method.name);
    std::vector<std::string> all{"pretrain", config, "--threads", "1", "--out", at(method.name)};
    for (const std::string& setting :
         {concat("method=", method.name), std::string("train.batch=16"),
          std::string("model.dim=16"), std::string("model.proj_hidden=16"),
          std::string("train.lr=0.1"), std::string("train.warmup_epochs=1")}) {
      all.insert(all.end(), {"--set", setting});
    }
    if (method.name == "moco-v2") all.insert(all.end(), {"--set", "moco-v2.queue=32"});
    const ProgramResult trained = run_program(folder, all);
    REQUIRE_MESSAGE(trained.status == 0, trained.err);
    CHECK(trained.out.find("loss ") != std::string::npos);
    const std::string metrics = read_bytes(folder / method.name / "metrics.jsonl");
    CHECK(std::ranges::count(metrics, '\n') == 4);
    const bool teacher = method.name == "mec" || method.name == "moco-v2" || method.name == "byol";
    const auto first = nlohmann::json::parse(metrics.substr(0, metrics.find('\n')));
    CHECK(first.contains("lr"));
    CHECK(first.contains("ema") == teacher);
    CHECK(first.contains("lambda") == (method.name == "mec"));
    CHECK(first.contains("eps2_effective") == (method.name == "mec"));
    const ProgramResult evaluated = run_program(folder, {"eval", "knn", at(method.name), "--json", "--threads", "1"});
    CHECK_MESSAGE(evaluated.status == 0, evaluated.err);
  }
  check_fails(folder, 1, "moco-v2.queue is a multiple of train.batch",
              {"pretrain", config, "--out", at("x"), "--set", "method=moco-v2", "--set", "train.batch=24"});
  check_fails(folder, 1, "method is one of mec, simsiam", {"pretrain", config, "--out", at("x"), "--set", "method=dino"});
}
