#include "mec/eval/encoder_scorer.h"

#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "mec/data/formats/open_dataset.h"
#include "mec/distributed/agreement.h"
#include "mec/eval/classes.h"
#include "mec/eval/classification.h"
#include "mec/eval/report.h"
#include "mec/ssl/methods/methods.h"
#include "mec/tensor/text.h"

namespace mec {

namespace {

constexpr int kProbeSteps = 100;
constexpr std::int64_t kEveryFifth = 5;

struct Images {
  DatasetPtr train, test;
  std::string name;  // of the images that are classified
  std::string note = {};
};

// A subset keeps the data set's classes.
Images hold_out(const DatasetPtr& dataset) {
  std::vector<std::int64_t> train, test;
  for (std::int64_t i = 0; i < dataset->size(); ++i) (i % kEveryFifth == kEveryFifth - 1 ? test : train).push_back(i);
  check<ValueError>(!test.empty(), "eval.every_epochs: there is no test split, and ", counted(dataset->size(), "image"),
                    " are too few to hold some out");
  return {.train = make_subset(dataset, train), .test = make_subset(dataset, test), .name = "held-out training"};
}

// The images that are scored, and those of all classes that classify them. A run's held-out images
// are scored by those that it trains on.
Images open_images(const PretrainSettings& settings, const ScorerOptions& options) {
  const std::int64_t limit = settings.eval.limit;
  const bool labels = learns_from_labels(settings);
  const auto limited = [&](const DatasetPtr& images) {
    return limit == 0 || images->size() <= limit ? images : make_subset(images, spread(images->size(), limit));
  };
  if (options.images.held_out) {
    return {.train = labels ? options.images.train : limited(options.images.train),
            .test = limited(options.images.held_out),
            .name = "held-out training"};
  }
  const auto open = [&](Split split) {
    return open_dataset({.path = settings.data.path,
                         .kind = settings.data.kind,
                         .split = split,
                         .limit = limit,
                         .channels = options.images.train->info().channels,
                         .exif_orientation = settings.data.exif_orientation});
  };
  check<ValueError>(!labels || settings.data.split == "train", "eval.every_epochs: the run trains on the split ",
                    settings.data.split, ", so that it cannot be scored on it; set data.split=train");
  if (labels) return {.train = options.images.train, .test = open(Split::test), .name = "test"};
  const DatasetPtr train = open(Split::train);
  try {
    return {.train = train, .test = open(Split::test), .name = "test"};
  } catch (const MissingSplit& error) {
    Images images = hold_out(train);
    images.note = concat(error.what(), "; encoders are scored on every fifth training image, which training has seen");
    return images;
  }
}

void check_images(const Images& images, const EvalSettings& eval, const KnnOptions& knn) {
  try {
    check_classes(*images.train, *images.test);
  } catch (const ValueError& error) {
    throw ValueError(concat("eval.every_epochs is ", eval.every_epochs, ", which scores encoders by labels; ", error.what(),
                            "; or set eval.every_epochs=0"));
  }
  check<ValueError>(!eval.knn || images.train->size() >= knn.k, "eval.knn: ", knn.k, " neighbours vote, of ",
                    counted(images.train->size(), "training image"), " (eval.limit is ", eval.limit,
                    "); raise eval.limit, or set eval.knn=false");
  std::set<std::int32_t> classes;
  for (std::int64_t i = 0; i < images.train->size() && classes.size() < 2; ++i) classes.insert(images.train->label(i));
  check<ValueError>(!eval.probe || classes.size() == 2,
                    "eval.probe: two classes or more are needed, but all training images are of one; set eval.probe=false");
}

// Ends an evaluation from within a stream of images.
struct Stopped {};

// What all scorers share: images pass the network, and the first rank scores what it makes of them.
class ScorerOfImages : public EncoderScorer {
 public:
  ScorerOfImages(const PretrainSettings& settings, ScorerOptions options)
      : settings_(settings), options_(std::move(options)), images_(open_images(settings, options_)) {}

  const std::string& text() const override { return text_; }

  std::optional<Metrics> score(const Module& network, Dtype dtype, const std::function<bool()>& stops) const override {
    bool finite = true;
    // The first rank alone has features, once all are done, so that no other one waits in vain.
    const auto features = [&](const DatasetPtr& images) -> Features {
      try {
        return embed(network, stream(images, stops), dtype);
      } catch (const NumericalError&) {
        finite = false;
        return {};
      }
    };
    const auto go_on = [&](const AtWork& at_work) {
      return [&stops, &at_work] {
        if (stops()) throw Stopped();
        at_work();
      };
    };
    std::optional<Metrics> metrics;
    try {
      std::vector<Features> embedded;
      for (const DatasetPtr& images : embedded_images()) embedded.push_back(features(images));
      if (options_.ranks->rank() > 0 && options_.before_waiting) options_.before_waiting();
      on_first_rank(*options_.ranks, [&](const AtWork& at_work) {
        try {
          metrics = finite ? score_of(embedded, go_on(at_work)) : no_scores();
        } catch (const Stopped&) {
        }
      });
    } catch (const Stopped&) {  // all ranks are
      return {};
    }
    if (options_.ranks->broadcast(metrics ? 1 : 0) == 0) return {};
    return metrics ? metrics : Metrics{};
  }

 protected:
  const Images& images() const { return images_; }
  const PretrainSettings& settings() const { return settings_; }
  void set_text(std::string text) {
    text_ = std::move(text);
    if (options_.note && !images_.note.empty()) options_.note(images_.note);
  }

 private:
  virtual std::vector<DatasetPtr> embedded_images() const = 0;
  virtual std::vector<std::string> names() const = 0;  // of the scores
  // Of these images' features. `go_on` is called between pieces of the work, and may throw.
  virtual Metrics score_of(const std::vector<Features>& embedded, const std::function<void()>& go_on) const = 0;

  Metrics no_scores() const {
    Metrics metrics;
    for (const std::string& name : names()) metrics.emplace_back(name, std::nan(""));
    return metrics;
  }
  BrokenListener listener(const std::string& of) const {
    if (!options_.on_skipped) return {};
    return [tell = options_.on_skipped, of](const BrokenImage& image) { tell(of, image); };
  }
  ImageStream stream(const DatasetPtr& images, const std::function<bool()>& stops) const {
    const TransformPtr view =
        make_eval_transform(EvalViewSettings::for_images(images->info().size, options_.image_size), options_.normalization);
    ImageStream all = stream_dataset(images, view, options_.device,
                                     {.workers = static_cast<int>(settings_.data.workers),
                                      .ranks = options_.ranks,
                                      .on_broken = settings_.data.on_broken,
                                      .broken_limit = settings_.data.broken_limit,
                                      .on_skipped = listener(images == images_.test ? "test" : "neighbours")});
    all.next = [next = all.next, stops, ranks = options_.ranks] {
      if (ranks->maximum(stops() ? 1 : 0) > 0) throw Stopped();
      return next();
    };
    return all;
  }

  PretrainSettings settings_;
  ScorerOptions options_;
  Images images_;
  std::string text_;
};

// An encoder, by kNN and a probe.
class FeatureScorer : public ScorerOfImages {
 public:
  FeatureScorer(const PretrainSettings& settings_in, ScorerOptions options) : ScorerOfImages(settings_in, std::move(options)) {
    if (settings().eval.knn) scores_.knn = KnnOptions{};
    if (settings().eval.probe) scores_.linear = LinearProbeOptions{.max_iterations = kProbeSteps};
    check_images(images(), settings().eval, KnnOptions{});
    std::vector<std::string> methods;
    if (scores_.knn) methods.push_back(concat("kNN (", mec::describe(*scores_.knn), ")"));
    if (scores_.linear) methods.push_back(concat("linear probe (", kProbeSteps, " steps)"));
    set_text(concat(joined(methods), " of ", images().test->size(), " ", images().name, " images by ", images().train->size(),
                    " training images"));
  }

 private:
  std::vector<DatasetPtr> embedded_images() const override { return {images().train, images().test}; }
  std::vector<std::string> names() const override {
    std::vector<std::string> all;
    if (scores_.knn) all.emplace_back("knn");
    if (scores_.linear) all.emplace_back("probe");
    return all;
  }
  Metrics score_of(const std::vector<Features>& embedded, const std::function<void()>& go_on) const override {
    const ReportRow row = make_report_row("encoder", embedded[0], embedded[1], scores_, go_on);
    Metrics metrics;
    if (row.knn) metrics.emplace_back("knn", *row.knn);
    if (row.linear) metrics.emplace_back("probe", row.linear->accuracy);
    return metrics;
  }

  ReportOptions scores_{.knn = {}, .linear = {}};
};

// A network with a classifier, by what it says of the images.
class ClassifierScorer : public ScorerOfImages {
 public:
  ClassifierScorer(const PretrainSettings& settings, ScorerOptions options) : ScorerOfImages(settings, std::move(options)) {
    check_classes(*images().train, *images().test);
    set_text(
        concat(names().size() > 1 ? "top-1 and top-5" : "top-1", " of ", images().test->size(), " ", images().name, " images"));
  }

 private:
  std::vector<DatasetPtr> embedded_images() const override { return {images().test}; }
  std::vector<std::string> names() const override {
    return has_top5(images().train->info().classes()) ? std::vector<std::string>{"top1", "top5"}
                                                      : std::vector<std::string>{"top1"};
  }
  Metrics score_of(const std::vector<Features>& logits, const std::function<void()>&) const override {
    const Classification classified = classify(logits[0], images().train->info().class_names);
    Metrics metrics{{"top1", classified.top1}};
    if (classified.top5) metrics.emplace_back("top5", *classified.top5);
    return metrics;
  }
};

}  // namespace

std::unique_ptr<EncoderScorer> make_encoder_scorer(const PretrainSettings& settings, const ScorerOptions& options) {
  if (learns_from_labels(settings)) return std::make_unique<ClassifierScorer>(settings, options);
  return std::make_unique<FeatureScorer>(settings, options);
}

}  // namespace mec
