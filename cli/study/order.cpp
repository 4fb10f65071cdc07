#include <algorithm>
#include <cmath>
#include <iostream>
#include <optional>

#include "mec/autograd/variable.h"
#include "mec/cli/commands.h"
#include "mec/cli/encoder_source.h"
#include "mec/cli/series_options.h"
#include "mec/cli/study/runs.h"
#include "mec/cli/timing.h"
#include "mec/eval/features.h"
#include "mec/ssl/methods/mec.h"
#include "mec/ssl/training/step.h"
#include "mec/tensor/ops.h"

namespace mec::cli {

namespace {

struct OrderCommand {
  StudyOptions study;
  std::vector<std::string> orders{"1", "2", "3", "4", "6", "8", "exact"};
};

std::vector<std::string> assignments_of(const std::string& order) {
  if (order == "exact") return {"mec.exact=true"};
  return {"mec.exact=false", concat("mec.order=", order)};
}

CodingOptions coding_of(const PretrainSettings& settings) {
  CodingOptions options = mec_settings(settings).coding();
  options.adapt = false;
  return options;
}

std::vector<double> metrics_of(const Tensor& p, const Tensor& z, const Tensor& lambda, const CodingOptions& options) {
  return coding_length_pair(p, z, lambda, options, {.dp = false}).metrics.to(Dtype::f64).to_vector<double>();
}

// Milliseconds of loss and student gradient for the run's m and d; ε² = d keeps the series
// convergent whatever the rows are.
double loss_ms(const PretrainSettings& settings, const Device& device) {
  const Shape shape{settings.train.batch, settings.model.dim};
  const Tensor p = random(shape, Dtype::f32, device, {.seed = 1}), z = random(shape, Dtype::f32, device, {.seed = 2});
  const Tensor lambda = coding_lambda(z, static_cast<double>(settings.model.dim));
  const auto once = [&] { coding_length_pair(p, z, lambda, coding_of(settings)).metrics.to_vector<float>(); };
  time_rounds(2, once);
  return 1e3 * median(time_rounds(20, once));
}

// |T_n − log det(I + C)|/|log det(I + C)| for the trained networks' embeddings of one batch of test
// images: how far the series is from the logarithm. C is that of the settings, without adapting λ.
// None where det(I + C) ≤ 0 and there is no logarithm.
std::optional<double> distance_to_exact(const PretrainSettings& settings, const DataOptions& data, Learner& learner,
                                        const std::filesystem::path& run) {
  const NoGrad no_grad;
  const EncoderSource source({.source = run.string()});
  const Device device = learner.parameters.values().device();
  const Tensor images =
      source.stream(source.open_data(data, Split::test), device, {.batch = settings.train.batch}).next()->views.front();
  const StudentEmbedding student = embed_student(learner, images);
  const Tensor p = student.embedding.data();
  const Tensor z = learner.teacher ? embed_teachers(learner, {images}).front() : student.projection;

  const Tensor lambda = coding_lambda(p, mec_settings(settings).eps2);
  CodingOptions options = coding_of(settings);
  const double series = at(metrics_of(p, z, lambda, options), CodingMetric::coding_length);
  options.exact = true;
  const std::vector<double> metrics = metrics_of(p, z, lambda, options);
  if (!(at(metrics, CodingMetric::sign) > 0)) return std::nullopt;
  const double exact = at(metrics, CodingMetric::coding_length);
  return std::fabs(series - exact) / std::fabs(exact);
}

void say_where_distance_is_missing(const std::string& name, const std::vector<StudyRun>& runs) {
  for (std::size_t seed = 0; seed < runs.size(); ++seed) {
    if (!runs[seed].failure.empty() || runs[seed].extra.contains("distance_to_exact")) continue;
    std::cout << name << "-" << seed << ": on test images det(I + C) is not above 0, so its logarithm does not exist: "
              << "no distance_to_exact; mec.eps2 of the width or more is safe" << std::endl;
  }
}

void run_order(const OrderCommand& command) {
  StudyRuns runs(command.study);
  StudyTable table({"order"}, {"loss", "coding_length", "spectral_norm", "log_det_exists", "distance_to_exact", "loss_ms"});
  Curves curves;
  for (const char* title : {"linear probe", "kNN"}) {
    curves.push_back({.title = title, .x_label = "order of the series", .y_label = "test accuracy, %", .series = {}});
  }
  curves.push_back({.title = "loss and gradient", .x_label = "order of the series", .y_label = "ms", .series = {}});
  curves.push_back({.title = "distance to log det", .x_label = "order of the series", .y_label = "relative", .series = {}});

  // The exact logarithm has no order: it is drawn as a level line over the orders of the series.
  std::vector<double> axis;
  for (const std::string& order : command.orders) {
    if (order != "exact") axis.push_back(std::stod(order));
  }
  if (axis.empty()) axis.push_back(0);
  const auto [first, last] = std::ranges::minmax(axis);
  for (const std::string& order : command.orders) {
    const PretrainSettings settings = runs.settings(assignments_of(order), "mec");
    const auto measure = [&](Learner& learner, const std::filesystem::path& run) -> StudyRows::Json {
      const std::optional<double> distance = distance_to_exact(settings, command.study.data, learner, run);
      StudyRows::Json measured{{"log_det_exists", distance ? 1 : 0}, {"loss_ms", loss_ms(settings, runs.device())}};
      if (distance) measured["distance_to_exact"] = *distance;
      return measured;
    };
    const auto extra = [](const char* name) {
      return [name](const StudyRun& run) -> std::optional<double> {
        if (!run.extra.contains(name)) return std::nullopt;
        return run.extra.at(name).get<double>();
      };
    };
    const auto variant = runs.train(concat("order-", order), settings, measure);
    table.add({order}, variant);
    say_where_distance_is_missing(concat("order-", order), variant);
    const bool exact = order == "exact";
    const std::string name = exact ? "exact" : "series";
    const std::vector<double> places = exact ? std::vector{first, last} : std::vector{std::stod(order)};
    for (const double x : places) {
      add_point(curves[0], name, x, variant, [](const StudyRun& run) { return 100 * run.linear; });
      add_point(curves[1], name, x, variant, [](const StudyRun& run) { return 100 * run.knn; });
      add_point(curves[2], name, x, variant, extra("loss_ms"));
      if (!exact) add_point(curves[3], name, x, variant, extra("distance_to_exact"));
    }
  }
  write_study(runs, "order", table, curves);
}

}  // namespace

void add_study_order(Command study) {
  const auto command = std::make_shared<OrderCommand>();
  Command app = study.add_subcommand("order", "MEC by series of several orders and exactly: accuracy, time, distance to exact");
  add_study_options(app, command->study, "study-order");
  app.add_option("--orders", command->orders, "Terms of the series, and exact: log det")
      .list()
      .check(why_no_order)
      .show_default();
  app.run([command] { run_order(*command); });
}

}  // namespace mec::cli
