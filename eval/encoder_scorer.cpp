#include "mec/eval/encoder_scorer.h"

#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "mec/data/formats/open_dataset.h"
#include "mec/distributed/agreement.h"
#include "mec/eval/classes.h"
#include "mec/eval/report.h"
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

Images open_images(const PretrainSettings& settings, const ScorerOptions& options) {
  const auto open = [&](Split split) {
    return open_dataset({.path = settings.data.path,
                         .kind = settings.data.kind,
                         .split = split,
                         .limit = settings.eval.limit,
                         .channels = static_cast<int>(options.channels),
                         .exif_orientation = settings.data.exif_orientation});
  };
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

class RunScorer : public EncoderScorer {
 public:
  RunScorer(const PretrainSettings& settings, ScorerOptions options)
      : settings_(settings), options_(std::move(options)), images_(open_images(settings, options_)) {
    if (settings.eval.knn) scores_.knn = KnnOptions{};
    if (settings.eval.probe) scores_.linear = LinearProbeOptions{.max_iterations = kProbeSteps};
    check_images(images_, settings.eval, KnnOptions{});
    if (options_.note && !images_.note.empty()) options_.note(images_.note);
    std::vector<std::string> methods;
    if (scores_.knn) methods.push_back(concat("kNN (", mec::describe(*scores_.knn), ")"));
    if (scores_.linear) methods.push_back(concat("linear probe (", kProbeSteps, " steps)"));
    text_ = concat(joined(methods), " of ", images_.test->size(), " ", images_.name, " images by ", images_.train->size(),
                   " training images");
  }

  const std::string& text() const override { return text_; }

  std::optional<Metrics> score(const Module& encoder, Dtype dtype, const std::function<bool()>& stops) const override {
    bool finite = true;
    // The first rank alone has features, once all are done, so that no other one waits in vain.
    const auto features = [&](const DatasetPtr& images) -> Features {
      try {
        return embed(encoder, stream(images, stops), dtype);
      } catch (const NumericalError&) {
        finite = false;
        return {};
      }
    };
    std::optional<Metrics> metrics;
    try {
      const Features train = features(images_.train), test = features(images_.test);
      if (options_.ranks->rank() > 0 && options_.before_waiting) options_.before_waiting();
      on_first_rank(*options_.ranks,
                    [&](const AtWork& at_work) { metrics = finite ? score(train, test, stops, at_work) : no_scores(); });
    } catch (const Stopped&) {  // all ranks are
      return {};
    }
    if (options_.ranks->broadcast(metrics ? 1 : 0) == 0) return {};
    return metrics ? metrics : Metrics{};
  }

 private:
  Metrics no_scores() const {
    Metrics metrics;
    if (scores_.knn) metrics.emplace_back("knn", std::nan(""));
    if (scores_.linear) metrics.emplace_back("probe", std::nan(""));
    return metrics;
  }
  // None where `stops` says so.
  std::optional<Metrics> score(const Features& train, const Features& test, const std::function<bool()>& stops,
                               const AtWork& at_work) const {
    const auto go_on = [&] {
      if (stops()) throw Stopped();
      at_work();
    };
    try {
      const ReportRow row = make_report_row("encoder", train, test, scores_, go_on);
      Metrics metrics;
      if (row.knn) metrics.emplace_back("knn", *row.knn);
      if (row.linear) metrics.emplace_back("probe", row.linear->accuracy);
      return metrics;
    } catch (const Stopped&) {
      return {};
    }
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
  ReportOptions scores_{.knn = {}, .linear = {}};
  std::string text_;
};

}  // namespace

std::unique_ptr<EncoderScorer> make_encoder_scorer(const PretrainSettings& settings, const ScorerOptions& options) {
  return std::make_unique<RunScorer>(settings, options);
}

}  // namespace mec
