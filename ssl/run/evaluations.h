// Scores a run's encoders after its epochs, as settings.eval says, and keeps the best.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mec/nn/files/weights_info.h"
#include "mec/ssl/run/encoder_scorer.h"
#include "mec/ssl/training/trainer.h"

namespace mec {

// The student's encoder after the epoch with the highest score, of equal ones the first; behind it
// the classifier, where the method learns from labels. Its metadata say also epoch, step, the
// scores, and what they are of.
inline constexpr const char* kBestEncoderFile = "encoder-best.safetensors";

// "kNN 86.92 %", "teacher's probe 88.10 %".
std::string score_text(const std::string& name, double accuracy);

// Whether encoders are scored after this epoch.
inline bool is_scored(const EvalSettings& eval, std::int64_t epoch, std::int64_t epochs) {
  return eval.every_epochs > 0 && (epoch % eval.every_epochs == 0 || epoch == epochs);
}

// How the folder's best encoder differs from what its lines of metrics say, as after a write that
// failed to the end; "" where it does not.
std::string missing_best(const std::filesystem::path& folder, const PretrainSettings& settings);

struct EvaluationOptions {
  std::filesystem::path folder;
  std::vector<Observer*> observers = {};  // are told
  std::function<bool(TrainPhase next)> stop_requested = {};
  std::function<void(const std::string&)> note = {};
};

// The student's scores and the averaged teacher's. Several ranks call it together; the first one's
// statistics of batch norm are scored. None where `stop_requested` says so.
std::optional<Metrics> score_encoders(const EncoderScorer& scorer, Learner& learner,
                                      const std::function<bool(TrainPhase next)>& stop_requested);

// Scores the student's encoder and the averaged teacher's. Where training is asked to stop, an
// evaluation is given up; the run that goes on makes up for it before its first step.
//
// The best encoder is written before observers are told. One that cannot be written is told once,
// kept in memory, and tried again at the next evaluation and at the end.
class Evaluations : public Observer {
 public:
  // Goes on with the best encoder that the folder has, where its scores are of the same kind.
  Evaluations(const PretrainSettings& settings, std::int64_t steps_per_epoch, std::unique_ptr<EncoderScorer> scorer,
              WeightsInfo info, EvaluationOptions options);

  const std::string& text() const { return scorer_->text(); }
  // Scores the encoders where that is due after the epoch.
  void on_epoch(std::int64_t epoch, Learner& learner) override;
  bool gave_up() const { return gave_up_; }  // the last evaluation
  // "best epoch 3, kNN 86.92 %: runs/a/encoder-best.safetensors"; "" without an evaluation. IoError
  // where the best encoder could not be written.
  std::string finish();

 private:
  struct Best {
    std::int64_t epoch = 0;
    double score = 0;
  };
  std::optional<Best> read_best() const;
  void write(Module& network, const std::map<std::string, std::string>& metadata);
  void tell_missing(const Evaluation& evaluation);
  void keep(const Evaluation& evaluation, Learner& learner);

  EvalSettings settings_;
  std::string choice_;  // the score that says which is the best
  std::int64_t epochs_, steps_per_epoch_;
  std::unique_ptr<EncoderScorer> scorer_;
  WeightsInfo info_;
  EvaluationOptions options_;
  std::optional<Best> best_;
  std::string failure_;                // of the last write of the best encoder; empty: it succeeded
  std::unique_ptr<Module> unwritten_;  // then a copy of it
  std::map<std::string, std::string> unwritten_metadata_;
  bool gave_up_ = false;
  bool misses_ = false;  // a score, the last evaluation
};

// What the other ranks than the first do while it evaluates: their part of the images.
class EvaluationPart : public Observer {
 public:
  EvaluationPart(const PretrainSettings& settings, std::unique_ptr<EncoderScorer> scorer,
                 std::function<bool(TrainPhase next)> stop_requested);
  void on_epoch(std::int64_t epoch, Learner& learner) override;

 private:
  EvalSettings settings_;
  std::int64_t epochs_;
  std::unique_ptr<EncoderScorer> scorer_;
  std::function<bool(TrainPhase next)> stop_requested_;
};

}  // namespace mec
