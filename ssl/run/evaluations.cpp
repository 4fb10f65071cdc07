#include "mec/ssl/run/evaluations.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <utility>

#include <nlohmann/json.hpp>

#include "mec/nn/files/weights.h"
#include "mec/ssl/methods/methods.h"
#include "mec/ssl/run/run_directory.h"
#include "mec/ssl/run/run_line.h"
#include "mec/ssl/run/run_network.h"
#include "mec/tensor/clock.h"
#include "mec/tensor/io/safetensors.h"
#include "mec/tensor/text.h"

namespace mec {

namespace {

constexpr const char* kEpoch = "epoch";
constexpr const char* kScoredBy = "scored_by";

std::string digits_that_read_back(double number) { return nlohmann::json(number).dump(); }

const char* name_of_choice(const PretrainSettings& settings) {
  return learns_from_labels(settings) ? "top1" : settings.eval.knn ? "knn" : "probe";
}

// The first with the highest score of the lines; 0 without scores.
std::int64_t best_epoch_in(const std::filesystem::path& metrics, const std::string& name) {
  std::ifstream file(metrics, std::ios::binary);
  std::int64_t epoch = 0;
  double best = -1;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("{\"epoch\":")) continue;
    const auto scores = parse_run_line(line);
    const double score = scores ? scores->number(name).value_or(best) : best;
    if (!(score > best)) continue;
    best = score;
    epoch = scores->epoch;
  }
  return epoch;
}

}  // namespace

std::string missing_best(const std::filesystem::path& folder, const PretrainSettings& settings) {
  const std::int64_t best = best_epoch_in(folder / kMetricsFile, name_of_choice(settings));
  if (best == 0) return "";
  const std::filesystem::path path = folder / kBestEncoderFile;
  std::string kept = "is not there";
  if (std::filesystem::exists(path)) {
    try {
      const std::int64_t epoch = std::stoll(read_safetensors_metadata(path).at(kEpoch));
      if (epoch >= best) return "";  // later: the run went on with other scores
      kept = concat("is that of epoch ", epoch);
    } catch (const std::exception&) {
      kept = "cannot be read";
    }
  }
  return concat("epoch ", best, " had the best score, but ", printable(path.string()), " ", kept);
}

std::string score_text(const std::string& name, double accuracy) {
  const std::string teacher = "teacher_";
  const bool is_teachers = name.starts_with(teacher);
  const std::string of = is_teachers ? name.substr(teacher.size()) : name;
  const std::string known = of == "knn" ? "kNN" : of == "top1" ? "top-1" : of == "top5" ? "top-5" : of;
  if (std::isnan(accuracy)) return concat("no ", is_teachers ? "teacher's " : "", known);
  char percent[32];
  std::snprintf(percent, sizeof percent, "%.2f %%", 100 * accuracy);
  return concat(is_teachers ? "teacher's " : "", known, " ", percent);
}

std::optional<Metrics> score_encoders(const EncoderScorer& scorer, Learner& learner,
                                      const std::function<bool(TrainPhase next)>& stop_requested) {
  const auto stops = [&] { return stop_requested && stop_requested(TrainPhase::evaluation); };
  const auto score = [&](Module& network) {
    for (const NamedBuffer& statistics : buffers_of(network)) learner.ranks->broadcast(statistics.tensor);
    return scorer.score(network, learner.activations, stops);
  };
  std::optional<Metrics> scores = score(scored_network(learner));
  if (scores && learner.teacher) {
    const std::optional<Metrics> teacher = score(learner.teacher->network.encoder);
    if (!teacher) return {};
    for (const auto& [name, value] : *teacher) scores->emplace_back("teacher_" + name, value);
  }
  return scores;
}

Evaluations::Evaluations(const PretrainSettings& settings, std::int64_t steps_per_epoch, std::unique_ptr<EncoderScorer> scorer,
                         WeightsInfo info, EvaluationOptions options)
    : settings_(settings.eval),
      choice_(name_of_choice(settings)),
      epochs_(settings.train.epochs),
      steps_per_epoch_(steps_per_epoch),
      scorer_(std::move(scorer)),
      info_(std::move(info)),
      options_(std::move(options)),
      best_(read_best()) {}

// None where the folder's file is damaged, or its score of another kind: the next encoder takes its
// place.
std::optional<Evaluations::Best> Evaluations::read_best() const {
  const std::filesystem::path path = options_.folder / kBestEncoderFile;
  if (!std::filesystem::exists(path)) return {};
  try {
    const std::map<std::string, std::string> metadata = read_safetensors_metadata(path);
    if (metadata.at(kScoredBy) != scorer_->text()) return {};
    const std::string& score = metadata.at(choice_);
    Best best{.epoch = std::stoll(metadata.at(kEpoch))};
    const auto [end, error] = std::from_chars(score.data(), score.data() + score.size(), best.score);
    if (error != std::errc() || end != score.data() + score.size()) return {};
    return best;
  } catch (const std::exception&) {
    return {};
  }
}

void Evaluations::on_epoch(std::int64_t epoch, Learner& learner) {
  if (!is_scored(settings_, epoch, epochs_)) return;
  for (Observer* observer : options_.observers) observer->before_evaluation(epoch);
  const auto began = std::chrono::steady_clock::now();
  std::optional<Metrics> scores;
  try {
    scores = score_encoders(*scorer_, learner, options_.stop_requested);
  } catch (const ValueError& error) {
    throw ValueError(
        concat("the evaluation after epoch ", epoch, ": ", error.what(), "; eval.every_epochs=0 trains without it"));
  }
  // What is written now takes its time, as after a step.
  if (options_.stop_requested) options_.stop_requested(TrainPhase::step);
  gave_up_ = !scores;
  if (gave_up_) return;
  const Evaluation evaluation{
      .epoch = epoch, .step = epoch * steps_per_epoch_, .scores = *scores, .seconds = seconds_since(began)};
  tell_missing(evaluation);
  keep(evaluation, learner);
  for (Observer* observer : options_.observers) observer->on_evaluation(evaluation);
}

// Once for evaluations in a row.
void Evaluations::tell_missing(const Evaluation& evaluation) {
  const bool misses = std::ranges::any_of(evaluation.scores, [](const auto& score) { return std::isnan(score.second); });
  if (misses && !misses_ && options_.note) {
    options_.note(concat("after epoch ", evaluation.epoch, " features of the encoder are not finite, so that it has no score; ",
                         "training goes on, but such an encoder is of no use: lower train.lr"));
  }
  misses_ = misses;
}

// Where it is the best.
void Evaluations::keep(const Evaluation& evaluation, Learner& learner) {
  const double score = evaluation.scores.front().second;
  if (std::isnan(score) || (best_ && score <= best_->score)) {
    if (unwritten_) write(*unwritten_, unwritten_metadata_);
    return;
  }
  best_ = {.epoch = evaluation.epoch, .score = score};
  std::map<std::string, std::string> metadata = to_metadata(info_);
  metadata[kEpoch] = std::to_string(evaluation.epoch);
  metadata["step"] = std::to_string(evaluation.step);
  metadata[kScoredBy] = scorer_->text();
  for (const auto& [name, value] : evaluation.scores) metadata[name] = digits_that_read_back(value);
  const std::unique_ptr<Module> network = network_of(learner);
  write(*network, metadata);
  if (failure_.empty()) return;
  unwritten_ = make_network(info_, Placement(learner.parameters.values().device(), learner.parameters.values().dtype()));
  copy_state(*network, *unwritten_);
  unwritten_metadata_ = metadata;
}

void Evaluations::write(Module& network, const std::map<std::string, std::string>& metadata) {
  try {
    save_weights(options_.folder / kBestEncoderFile, network, metadata);
    failure_.clear();
    unwritten_.reset();
  } catch (const IoError& error) {
    const bool is_first = failure_.empty();
    failure_ = error.what();
    if (is_first && options_.note) options_.note(concat(failure_, "; training goes on, and it is tried again"));
  }
}

std::string Evaluations::finish() {
  if (unwritten_) write(*unwritten_, unwritten_metadata_);
  check<IoError>(failure_.empty(), "the best encoder, of epoch ", best_ ? best_->epoch : 0, ", is not written: ", failure_);
  if (!best_) return "";
  return concat("best epoch ", best_->epoch, ", ", score_text(choice_, best_->score), ": ",
                printable((options_.folder / kBestEncoderFile).string()));
}

EvaluationPart::EvaluationPart(const PretrainSettings& settings, std::unique_ptr<EncoderScorer> scorer,
                               std::function<bool(TrainPhase next)> stop_requested)
    : settings_(settings.eval),
      epochs_(settings.train.epochs),
      scorer_(std::move(scorer)),
      stop_requested_(std::move(stop_requested)) {}

void EvaluationPart::on_epoch(std::int64_t epoch, Learner& learner) {
  if (!is_scored(settings_, epoch, epochs_)) return;
  static_cast<void>(score_encoders(*scorer_, learner, stop_requested_));
  // What comes next is a wait for the first rank's files.
  if (stop_requested_) stop_requested_(TrainPhase::step);
}

}  // namespace mec
