#include "mec/transfer/comparison.h"

#include <memory>
#include <utility>

#include "mec/data/formats/open_dataset.h"
#include "mec/eval/report.h"
#include "mec/nn/initialize.h"
#include "mec/ssl/run/run_directory.h"
#include "mec/ssl/run/run_setup.h"
#include "mec/ssl/run/saved_encoder.h"
#include "mec/ssl/run/training_images.h"
#include "mec/tensor/text.h"
#include "mec/transfer/protocol.h"

namespace mec {

namespace {

// The images that all rows are scored on.
struct TestImages {
  DatasetPtr images;
  std::string name;
};

TestImages open_test_images(const PretrainSettings& settings) {
  const DataSettings& data = settings.data;
  try {
    const DatasetPtr test = open_dataset({.path = data.path,
                                          .kind = data.kind,
                                          .split = Split::test,
                                          .limit = settings.eval.limit,
                                          .channels = static_cast<int>(data.channels),
                                          .exif_orientation = data.exif_orientation});
    return {test, concat(counted(test->size(), "test image"))};
  } catch (const MissingSplit& error) {
    if (data.validation == 0)
      throw MissingSplit(concat(error.what(), "; where there is none, data.validation holds out training images to score on"));
    const DatasetPtr held_out = open_training_images(settings, {}).held_out;
    return {held_out, concat(counted(held_out->size(), "held-out training image"), ", for want of a test split")};
  }
}

bool has_held_out_test(const TestImages& test) { return test.name.find("held-out") != std::string::npos; }

class Scorer {
 public:
  Scorer(const ComparisonOptions& options, TestImages test) : options_(options), test_(std::move(test)) {}

  const TestImages& test() const { return test_; }

  Classification classified(const std::filesystem::path& weights) const {
    const SavedEncoder saved(weights);
    const Classifier classifier = saved.load_classifier(options_.device);
    return classify(embed(classifier, stream(saved, test_.images)), saved.info().classes);
  }

  // The accuracy of the converged probe on that encoder's features.
  double probe(const SavedEncoder& saved, const ResNet& encoder, const DatasetPtr& train) const {
    const auto features = [&](const DatasetPtr& images) { return embed(encoder, stream(saved, images)); };
    return linear_accuracy(features(train), features(test_.images)).accuracy;
  }

 private:
  ImageStream stream(const SavedEncoder& saved, const DatasetPtr& images) const {
    return stream_dataset(images, saved.view(images->info().size), options_.device,
                          {.workers = static_cast<int>(options_.settings.data.workers)});
  }

  const ComparisonOptions& options_;
  TestImages test_;
};

struct Stop {
  RunEnd end;
};

// Trains the settings with each seed, into folders of their own.
void train_seeds(const ComparisonOptions& options, PretrainSettings settings, const std::string& name,
                 const std::function<void(const std::filesystem::path& folder)>& then) {
  for (std::size_t i = 0; i < options.seeds.size(); ++i) {
    settings.train.seed = options.seeds[i];
    const std::string seed = i == 0 ? "" : concat("seed-", options.seeds[i]);
    const std::string folder = concat(name, name.empty() || seed.empty() ? "" : "-", seed);
    const std::filesystem::path path = folder.empty() ? options.folder : options.folder / folder;
    const RunEnd end = options.train(settings, path);
    if (!end.complete) throw Stop{end};
    then(path);
  }
}

void add_score(ComparisonRow& row, const Classification& score) {
  row.top1.push_back(score.top1);
  if (score.top5) row.top5.push_back(*score.top5);
}

// The runs of the settings: their last networks, or the best ones by held-out images.
void add_runs(Comparison& out, const ComparisonOptions& options, const Scorer& scorer) {
  const PretrainSettings& settings = options.settings;
  const bool held_out = settings.data.validation > 0 && settings.eval.every_epochs > 0;
  const bool by_test = settings.data.validation == 0 && settings.eval.every_epochs > 0;
  out.chosen = held_out ? "the best epoch on held-out training images" : "the last epoch";
  ComparisonRow row{.name = options.name, .top1 = {}}, best{.name = concat(options.name, ", best epoch"), .top1 = {}};
  train_seeds(options, settings, "", [&](const std::filesystem::path& folder) {
    const Classification score = scorer.classified(folder / (held_out ? kBestEncoderFile : kEncoderFile));
    add_score(row, score);
    if (by_test) add_score(best, scorer.classified(folder / kBestEncoderFile));
    if (row.top1.size() == 1) out.classification = score;
  });
  out.rows.push_back(row);
  if (by_test) out.best = best;
}

void add_scratch(Comparison& out, const ComparisonOptions& options, const Scorer& scorer) {
  ComparisonRow row{.name = "from scratch", .top1 = {}};
  const bool held_out = options.settings.data.validation > 0 && options.settings.eval.every_epochs > 0;
  train_seeds(options, from_scratch(options.settings), "scratch", [&](const std::filesystem::path& folder) {
    add_score(row, scorer.classified(folder / (held_out ? kBestEncoderFile : kEncoderFile)));
  });
  out.rows.push_back(row);
}

// The converged probe on the encoder that the runs began from, and on a random one.
void add_probes(Comparison& out, const ComparisonOptions& options, const Scorer& scorer) {
  ComparisonRow probe{.name = "linear probe, converged", .top1 = {}}, random{.name = "the same of a random encoder", .top1 = {}};
  const SavedEncoder of_run(options.folder / kEncoderFile);  // its network, and how it sees images
  for (const std::uint64_t seed : options.seeds) {
    PretrainSettings settings = options.settings;
    settings.train.seed = seed;
    const DatasetPtr train = open_training_images(settings, {}).train;
    if (!settings.model.weights.empty()) {
      ResNet encoder(of_run.info().encoder, options.device);
      load_start(settings.model, encoder);
      probe.top1.push_back(scorer.probe(of_run, encoder, train));
    }
    ResNet untrained(of_run.info().encoder, options.device);
    initialize(untrained, seed, "encoder.");
    random.top1.push_back(scorer.probe(of_run, untrained, train));
  }
  if (!probe.top1.empty()) out.rows.push_back(probe);
  out.rows.push_back(random);
}

}  // namespace

ComparisonEnd compare_transfer(const ComparisonOptions& options) {
  const auto log = [&](const std::string& line) {
    if (options.log) options.log(line);
  };
  const Scorer scorer(options, open_test_images(options.settings));
  const TrainingImages images = open_training_images(options.settings, {});
  Comparison out{.trained_on = describe_images(options.settings.data, *images.train),
                 .scored_on = scorer.test().name,
                 .chosen = {},
                 .rows = {},
                 .best = {},
                 .classification = {}};
  if (images.held_out && !has_held_out_test(scorer.test()))
    out.trained_on += concat("; ", images.held_out->size(), " more are held out");
  try {
    add_runs(out, options, scorer);
    if (options.beside) {
      if (!options.settings.model.weights.empty()) {
        log("the same network from scratch, for as many steps");
        add_scratch(out, options, scorer);
      }
      log("linear probes");
      add_probes(out, options, scorer);
    }
  } catch (const Stop& stop) {
    return {.comparison = {}, .stopped = stop.end};
  }
  return {.comparison = std::move(out)};
}

}  // namespace mec
