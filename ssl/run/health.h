// Watches a run: measures the effective rank of its embeddings, and warns of what goes wrong
// slowly.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "mec/ssl/training/trainer.h"

namespace mec {

// Every train.health_steps steps (0: never) "effective_rank" of the first view's projections
// (effective_rank.h) joins the step's metrics, and a line says what to do where
//
//   the embeddings collapse             effective rank below 2 % of the way from 1 to the most that
//                                       there can be, or embedding_std below 0.2
//   MEC's series is near divergence     its norm is 0.9 or more
//   steps wait for images               for a fifth of the time or more
//   steps are slow                      images a second below 0.6 of their median in this run
//
// Times are those of the steps since the last look, at least 20 of them. A line is told once as its
// state begins; where the state ends and begins again, so does the line. States end at a bound of
// their own, so that a figure that lies near a bound does not repeat the line.
class Health : public Observer {
 public:
  Health(const PretrainSettings& settings, std::function<void(const std::string&)> note);

  std::function<Metrics()> measure(const Tensor& projection) override;
  void on_step(const StepReport& report) override;

 private:
  // Since the last look.
  struct Window {
    std::vector<double> seconds;  // of each step
    double all = 0, waiting = 0;  // seconds
    std::int64_t images = 0;
  };

  // value is bad from `bound` on, and good again beyond `end`, which lies on the other side of it.
  bool begins(bool& state, double value, double bound, double end) const;
  void look_at_embeddings(const StepReport& report);
  void look_at_series(const StepReport& report);
  void look_at_times();

  std::int64_t every_, workers_;
  double most_rank_, eps2_times_lambda_;
  bool has_series_;
  std::function<void(const std::string&)> note_;
  Device host_;  // of effective_rank_later()
  Window window_;
  std::vector<double> rates_;  // images a second of each window
  bool low_rank_ = false, low_spread_ = false, near_divergence_ = false, waits_ = false, slow_ = false;
};

}  // namespace mec
