#include "mec/transfer/comparison.h"

#include <utility>

#include "mec/data/formats/open_dataset.h"
#include "mec/eval/report.h"
#include "mec/nn/initialize.h"
#include "mec/ssl/run/run_directory.h"
#include "mec/ssl/run/run_setup.h"
#include "mec/ssl/run/saved_encoder.h"
#include "mec/ssl/run/training_images.h"
#include "mec/transfer/protocol.h"

namespace mec {

namespace {

DatasetPtr open_test_images(const PretrainSettings& settings) {
  const DataSettings& data = settings.data;
  check<ValueError>(data.split == "train", "data.split is ", data.split,
                    ", but the test split is what the network is scored on; set it to train");
  try {
    return open_dataset({.path = data.path,
                         .kind = data.kind,
                         .split = Split::test,
                         .limit = settings.eval.limit,
                         .channels = static_cast<int>(data.channels),
                         .exif_orientation = data.exif_orientation});
  } catch (const MissingSplit& error) {
    throw MissingSplit(concat(error.what(), "; put the images to score on into a folder test/ beside train/"));
  }
}

// How the runs' networks are chosen.
struct Choice {
  bool by_held_out = false, by_test = false;  // else the last epoch
};

Choice choice_of(const PretrainSettings& settings) {
  const bool scored = settings.eval.every_epochs > 0, held_out = settings.data.validation > 0;
  return {.by_held_out = scored && held_out, .by_test = scored && !held_out};
}

class Comparing {
 public:
  explicit Comparing(const ComparisonOptions& options) : options_(options), test_(open_test_images(options.settings)) {}

  ComparisonEnd all() {
    describe();
    const RunEnd runs = add_runs();
    if (!runs.complete) return {.comparison = {}, .stopped = runs};
    if (options_.beside && begins_from_encoder()) {
      log("the same network from scratch, for as many steps");
      const RunEnd scratch = add_scratch();
      if (!scratch.complete) return {.comparison = {}, .stopped = scratch};
    }
    if (options_.beside) {
      log("linear probes");
      add_probes();
    }
    return {.comparison = std::move(out_)};
  }

 private:
  bool begins_from_encoder() const { return !options_.settings.model.weights.empty(); }
  void log(const std::string& line) const {
    if (options_.log) options_.log(line);
  }

  void describe() {
    const TrainingImages images = open_training_images(options_.settings, {});
    out_.trained_on = describe_images(options_.settings.data, *images.train);
    if (images.held_out) out_.trained_on += concat("; ", images.held_out->size(), " more are held out");
    out_.scored_on = counted(test_->size(), "test image");
    out_.chosen = choice_.by_held_out ? "the best epoch on held-out training images" : "the last epoch";
    out_.network = network_in(options_.folder);
  }

  std::filesystem::path network_in(const std::filesystem::path& folder) const {
    return folder / (choice_.by_held_out ? kBestEncoderFile : kEncoderFile);
  }

  // Trains the settings with each seed, into folders of their own; `then` takes what each has made.
  RunEnd train_seeds(PretrainSettings settings, const std::string& name,
                     const std::function<void(const std::filesystem::path& folder)>& then) const {
    RunEnd end;
    for (std::size_t i = 0; i < options_.seeds.size(); ++i) {
      settings.train.seed = options_.seeds[i];
      const std::string seed = i == 0 ? "" : concat("seed-", options_.seeds[i]);
      const std::string folder = concat(name, name.empty() || seed.empty() ? "" : "-", seed);
      const std::filesystem::path path = folder.empty() ? options_.folder : options_.folder / folder;
      end = options_.train(settings, path);
      if (!end.complete) return end;
      then(path);
    }
    return end;
  }

  RunEnd add_runs() {
    ComparisonRow row{.name = options_.name, .top1 = {}}, best{.name = concat(options_.name, ", best epoch"), .top1 = {}};
    const RunEnd end = train_seeds(options_.settings, "", [&](const std::filesystem::path& folder) {
      const Classification score = add_score(row, network_in(folder));
      if (row.top1.size() == 1) out_.classification = score;
      if (choice_.by_test) add_score(best, folder / kBestEncoderFile);
    });
    out_.rows.push_back(row);
    if (choice_.by_test) out_.best = best;
    return end;
  }

  RunEnd add_scratch() {
    ComparisonRow row{.name = "from scratch", .top1 = {}};
    const RunEnd end = train_seeds(from_scratch(options_.settings), "scratch",
                                   [&](const std::filesystem::path& folder) { add_score(row, network_in(folder)); });
    out_.rows.push_back(row);
    return end;
  }

  // The converged probe on the encoder that the runs began from, and on a random one.
  void add_probes() {
    ComparisonRow probe{.name = "linear probe, converged", .top1 = {}},
        random{.name = "the same of a random encoder", .top1 = {}};
    const SavedEncoder of_run(options_.folder / kEncoderFile);  // its network, and how it sees images
    ResNet encoder(of_run.info().encoder, options_.device);
    Features test;
    if (begins_from_encoder()) {
      load_start(options_.settings.model, encoder);
      test = features(of_run, encoder, test_);
    }
    for (const std::uint64_t seed : options_.seeds) {
      PretrainSettings settings = options_.settings;
      settings.train.seed = seed;
      const DatasetPtr train = open_training_images(settings, {}).train;
      if (begins_from_encoder()) add_probe(probe, features(of_run, encoder, train), test);
      ResNet untrained(of_run.info().encoder, options_.device);
      initialize(untrained, seed, "encoder.");
      add_probe(random, features(of_run, untrained, train), features(of_run, untrained, test_));
    }
    if (begins_from_encoder()) out_.rows.push_back(probe);
    out_.rows.push_back(random);
  }

  Classification add_score(ComparisonRow& row, const std::filesystem::path& weights) const {
    const SavedEncoder saved(weights);
    const Classification score = classify(features(saved, saved.load_classifier(options_.device), test_), saved.info().classes);
    row.top1.push_back(score.top1);
    if (score.top5) row.top5.push_back(*score.top5);
    return score;
  }

  void add_probe(ComparisonRow& row, const Features& train, const Features& test) const {
    const LinearScore score = linear_accuracy(train, test, options_.probe);
    row.top1.push_back(score.accuracy);
    row.converged = row.converged && score.converged;
  }

  Features features(const SavedEncoder& saved, const Module& network, const DatasetPtr& images) const {
    const DataSettings& data = options_.settings.data;
    const auto skipped = [this](const BrokenImage& image) {
      if (options_.note) options_.note(image.message);
    };
    return embed(network, stream_dataset(images, saved.view(images->info().size), options_.device,
                                         {.batch = options_.batch,
                                          .workers = static_cast<int>(data.workers),
                                          .on_broken = data.on_broken,
                                          .broken_limit = data.broken_limit,
                                          .on_skipped = skipped}));
  }

  const ComparisonOptions& options_;
  const DatasetPtr test_;
  const Choice choice_ = choice_of(options_.settings);
  Comparison out_;
};

}  // namespace

ComparisonEnd compare_transfer(const ComparisonOptions& options) { return Comparing(options).all(); }

}  // namespace mec
