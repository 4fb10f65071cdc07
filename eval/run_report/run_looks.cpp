#include "mec/eval/run_report/run_looks.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "mec/data/augment/view_image.h"
#include "mec/data/formats/open_dataset.h"
#include "mec/data/sheet.h"
#include "mec/eval/classes.h"
#include "mec/eval/knn.h"
#include "mec/eval/neighbours.h"
#include "mec/eval/run_report/run_facts.h"
#include "mec/eval/run_report/tiles.h"
#include "mec/eval/tsne.h"
#include "mec/ssl/run/saved_encoder.h"
#include "mec/tensor/ops.h"

namespace mec::report {

namespace {

constexpr std::int64_t kViewedImages = 6, kDraws = 2;
constexpr int kViewSide = 96, kTileSide = 64, kPointSide = 40;
constexpr std::int64_t kQueries = 24, kNeighbours = 8;
constexpr std::int64_t kFewestPoints = 10;
constexpr int kSheetColumns = 32;
// Of the pixels of a split, as features.
constexpr std::int64_t kMostPixelBytes = std::int64_t{1} << 30;

// The views as training drew them of these images, in its first epochs. The number of an image
// decides on its views, so the data set is that of training, not one that --limit has thinned.
void add_views(const Dataset& dataset, const PretrainSettings& settings, std::int64_t trained_images, RunReport& report) {
  check<ValueError>(trained_images == 0 || dataset.size() == trained_images, "training had ", counted(trained_images, "image"),
                    ", but there are ", dataset.size(), " here: it drew other views of them");
  const TransformPtr views = make_augmentation(settings.augment, no_normalization(dataset.info().channels));
  report.views_per_draw = views->views();
  for (const std::int64_t i : spread(dataset.size(), kViewedImages)) {
    ViewRow row{.image = make_tile(dataset, i, kViewSide), .views = {}};
    for (std::int64_t draw = 0; draw < kDraws && !row.image.picture.empty(); ++draw) {
      for (int view = 0; view < views->views(); ++view) {
        const ViewKey key{.seed = settings.train.seed,
                          .sample = static_cast<std::uint64_t>(i),
                          .epoch = static_cast<std::uint64_t>(draw),
                          .view = static_cast<std::uint32_t>(view)};
        row.views.push_back(picture_uri(thumbnail(view_image(dataset.read(i), *views, key), kViewSide)));
      }
    }
    report.views.push_back(std::move(row));
  }
}

Tensor rows_at(const Tensor& x, const std::vector<std::int64_t>& numbers) {
  Tensor rows({static_cast<std::int64_t>(numbers.size()), x.dim(1)}, x.dtype(), x.device());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto to = static_cast<std::int64_t>(i);
    rows.rows(to, to + 1).copy_from(x.rows(numbers[i], numbers[i] + 1));
  }
  return rows;
}

// The images of a run, and their features. Without a test split, training images take its place.
struct Looked {
  DatasetPtr train, test;  // test: null where there is none
  Features train_features, test_features;

  const Dataset& shown() const { return test ? *test : *train; }
  const Features& shown_features() const { return test ? test_features : train_features; }
  const char* shown_name() const { return test ? "test" : "training"; }
};

void add_neighbours(const Looked& looked, RunReport& report) {
  const auto queries = spread(looked.shown().size(), kQueries);
  const std::vector<std::int64_t> own = looked.test ? std::vector<std::int64_t>() : queries;
  const std::int64_t others = looked.train->size() - (looked.test ? 0 : 1);
  const std::int64_t k = std::min(kNeighbours, others);
  if (k < 1) return;
  const Neighbours found = find_neighbours(looked.train_features.x, rows_at(looked.shown_features().x, queries), k, own);
  std::map<std::int32_t, Tile> tiles;  // an image may be the neighbour of several
  for (std::size_t row = 0; row < queries.size(); ++row) {
    NeighbourRow line{.query = make_tile(looked.shown(), queries[row], kTileSide), .nearest = {}};
    for (std::size_t j = row * static_cast<std::size_t>(k); j < (row + 1) * static_cast<std::size_t>(k); ++j) {
      const auto [tile, is_new] = tiles.try_emplace(found.index[j]);
      if (is_new) tile->second = make_tile(*looked.train, found.index[j], kTileSide);
      line.nearest.push_back(tile->second);
      line.nearest.back().cosine = static_cast<double>(found.cosine[j]);
    }
    report.neighbours.push_back(std::move(line));
  }
  report.neighbours_text = concat(counted(queries.size(), "image"), " of the ", looked.shown_name(),
                                  " split, and the nearest of ", looked.train->size(), " training images by cosine");
}

// Thumbnails in squares as large as the largest of them.
void add_sheet(const Dataset& dataset, const std::vector<std::int64_t>& numbers, Plane& plane) {
  std::vector<Image> pictures;
  for (const std::int64_t i : numbers) {
    try {
      pictures.push_back(thumbnail(dataset.read(i), kPointSide));
    } catch (const IoError&) {
      pictures.push_back({.width = 1, .height = 1, .channels = 1, .pixels = {255}});
    }
  }
  for (const Image& picture : pictures) plane.side = std::max({plane.side, picture.width, picture.height});
  plane.columns = kSheetColumns;
  plane.sheet = picture_uri(make_sheet(pictures, {.columns = plane.columns, .side = plane.side}));
}

void add_plane(const Looked& looked, std::int64_t points, RunReport& report) {
  const auto numbers = spread(looked.shown().size(), points);
  const auto count = static_cast<std::int64_t>(numbers.size());
  if (count < kFewestPoints) {
    report.missing.push_back(
        concat("plane: ", counted(count, "image"), " are too few; t-SNE takes ", kFewestPoints, " or more"));
    return;
  }
  TsneOptions how;
  how.perplexity = std::min(how.perplexity, static_cast<double>(count - 1) / 3);  // so that each point has others beyond
  const Tsne result = fit_tsne(rows_at(looked.shown_features().x, numbers), how);
  Plane plane{.xy = result.y.to_vector<float>(),
              .labels = {},
              .names = {},
              .classes = {},
              .sheet = {},
              .text = concat("t-SNE of ", counted(count, "image"), " of the ", looked.shown_name(), " split, perplexity ",
                             how.perplexity, ", KL divergence ", result.kl)};
  add_sheet(looked.shown(), numbers, plane);
  const std::vector<std::int32_t> labels = join_classes(plane.classes, looked.shown_features());
  for (const std::int64_t i : numbers) {
    if (!labels.empty()) plane.labels.push_back(labels[static_cast<std::size_t>(i)]);
    plane.names.push_back(looked.shown().name(i));
  }
  report.plane = std::move(plane);
}

// Returns the accuracy of the same predictions.
double add_confusion(const Looked& looked, const KnnOptions& knn, RunReport& report) {
  const Features& train = looked.train_features;
  Confusion confusion{.classes = {}, .counts = {}, .text = concat("kNN (", describe(knn), ")")};
  join_classes(confusion.classes, train);
  const std::vector<std::int32_t> labels = labels_as_in(train, looked.test_features);
  const std::vector<std::int32_t> predicted = knn_classify(train, looked.test_features.x, knn);
  for (std::size_t i = 0; i < labels.size(); ++i) ++confusion.counts[{labels[i], predicted[i]}];
  report.confusion = std::move(confusion);
  return accuracy(predicted, labels);
}

class Eyes {
 public:
  Eyes(const SavedEncoder& saved, const LookOptions& options) : saved_(saved), options_(options) {}

  Features features(const ResNet& encoder, const DatasetPtr& dataset) const {
    return embed(encoder, stream_dataset(dataset, saved_.view(dataset->info().size), options_.device, options_.stream),
                 options_.dtype);
  }
  Features pixels(const DatasetPtr& dataset) const {
    const Normalization none = no_normalization(static_cast<int>(saved_.info().encoder.in_channels));
    return pixel_features(stream_dataset(dataset, saved_.view(dataset->info().size, none), options_.device, options_.stream));
  }
  std::int64_t pixel_bytes(const Looked& looked) const {
    const std::int64_t side = saved_.info().image_size;
    return std::max(looked.train->size(), looked.test->size()) * side * side * saved_.info().encoder.in_channels * 4;
  }

 private:
  const SavedEncoder& saved_;
  const LookOptions& options_;
};

// As mec eval table; the encoder's kNN is that of the confusion matrix.
void add_table(const Looked& looked, const SavedEncoder& saved, const LookOptions& options, RunReport& report) {
  const Eyes eyes(saved, options);
  const auto add_row = [&](const char* name, const Features& train, const Features& test, const ReportOptions& scores) {
    report.table.push_back(make_report_row(name, train, test, scores));
  };
  ReportOptions linear_alone = options.scores;
  linear_alone.knn.reset();
  const double knn = add_confusion(looked, *options.scores.knn, report);
  if (eyes.pixel_bytes(looked) <= kMostPixelBytes) {
    add_row("raw pixels", eyes.pixels(looked.train), eyes.pixels(looked.test), options.scores);
  } else {
    report.missing.push_back(concat("raw pixels in the table: they take ", eyes.pixel_bytes(looked) >> 20,
                                    " MiB of memory; mec eval table takes them, and so does a smaller --limit"));
  }
  const ResNet random = saved.random(options.device);
  add_row("random encoder", eyes.features(random, looked.train), eyes.features(random, looked.test), options.scores);
  add_row("encoder", looked.train_features, looked.test_features, linear_alone);
  report.table.back().knn = knn;
  report.table_text =
      concat(looked.train->size(), " training images, ", looked.test->size(),
             " test images; kNN: ", describe(*options.scores.knn), "; linear: ", describe(*options.scores.linear));
}

// Calls `work`, and says what is left out where images or labels do not allow it.
bool attempt(RunReport& report, const char* what, const std::function<void()>& work) {
  try {
    work();
    return true;
  } catch (const Error& error) {
    report.missing.push_back(concat(what, ": ", error.what()));
    return false;
  }
}

// Null, with a line in the report, where the data set has none.
DatasetPtr open_test(const PretrainSettings& settings, const LookOptions& options, std::int64_t channels, RunReport& report) {
  DatasetPtr test;
  attempt(report, "table, confusion matrix", [&] { test = options.open(settings, Split::test, channels); });
  return test;
}

}  // namespace

void look_at_images(const std::filesystem::path& run, const PretrainSettings& settings, const LookOptions& asked,
                    RunReport& report) {
  LookOptions options = asked;
  options.stream.on_broken = settings.data.on_broken;  // what training passed over
  options.stream.broken_limit = settings.data.broken_limit;
  options.stream.on_skipped = [](const BrokenImage&) {};
  Looked looked;
  std::optional<SavedEncoder> saved;
  const bool has_encoder = attempt(report, "neighbours, plane, table, confusion matrix", [&] { saved.emplace(run); });
  const std::int64_t channels = has_encoder ? saved->info().encoder.in_channels : settings.data.channels;
  const bool has_images = attempt(report, "views, neighbours, plane, table, confusion matrix",
                                  [&] { looked.train = options.open(settings, Split::train, channels); });
  if (!has_images) return;
  const bool has_views =
      attempt(report, "views", [&] { add_views(*options.open_trained(settings), settings, images_of_training(run), report); });
  if (!has_views) report.views.clear();
  if (!has_encoder) return;
  looked.test = open_test(settings, options, channels, report);
  const bool embedded = attempt(report, "neighbours, plane, table, confusion matrix", [&] {
    options.log(concat("embedding ", looked.train->size() + (looked.test ? looked.test->size() : 0), " images"));
    const Eyes eyes(*saved, options);
    const ResNet encoder = saved->load(options.device);
    looked.train_features = eyes.features(encoder, looked.train);
    if (looked.test) looked.test_features = eyes.features(encoder, looked.test);
  });
  if (!embedded) return;
  attempt(report, "neighbours", [&] { add_neighbours(looked, report); });
  options.log("t-SNE");
  attempt(report, "plane", [&] { add_plane(looked, options.points, report); });
  if (!looked.test) return;
  options.log("kNN and linear probes");
  const bool scored = attempt(report, "table, confusion matrix", [&] {
    check_classes(*looked.train, *looked.test);
    add_table(looked, *saved, options, report);
  });
  if (!scored) report.table.clear();
}

}  // namespace mec::report
