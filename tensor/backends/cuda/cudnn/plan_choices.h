// Which engine each convolution runs on, kept in a file between runs: choosing by timing takes
// seconds.
#pragma once

#include <filesystem>
#include <string>
#include <unordered_map>

#include "mec/tensor/backends/cuda/cudnn/convolution_key.h"
#include "mec/tensor/backends/cuda/cudnn/engine_choice.h"

namespace mec::cuda {

// Where a choice is valid. Another cuDNN numbers its engines differently, and another device runs
// them at other speeds.
struct PlanHost {
  std::int64_t cudnn = 0;  // cudnn_version()
  std::string device;
  std::int64_t multiprocessors = 0;
  bool operator==(const PlanHost&) const = default;
};

struct PlanChoice {
  EngineChoice engine;
  double milliseconds = -1;  // of one run; negative: chosen by cuDNN's heuristics, never timed
  bool timed() const { return milliseconds >= 0; }
};

class PlanChoices {
 public:
  explicit PlanChoices(PlanHost host) : host_(std::move(host)) {}

  const PlanChoice* find(const ConvolutionKey& key) const;  // null: not known
  void remember(const ConvolutionKey& key, const PlanChoice& choice) {
    choices_[key] = choice;
    ++changes_;
  }
  void forget(const ConvolutionKey& key) { choices_.erase(key); }
  std::size_t size() const { return choices_.size(); }
  // The number of calls of remember(): tells whether there is something to save.
  std::size_t changes() const { return changes_; }

  // As text, the same for the same choices: ranks that are to run the same engines pass it around.
  std::string text() const;
  // Takes over the choices of a text. Where the text is damaged, or another host's, it changes
  // nothing and returns the reason, for the user to see; else it returns an empty text. A cache
  // that cannot be used is no error.
  std::string take(const std::string& text);

  // The same with a file; empty, too, where there is no such file.
  std::string load(const std::filesystem::path& path);
  // The first choice that another policy made, as a message; empty where all were made under this
  // one. Another policy may take another engine, so a run that began under one policy cannot go on
  // under another with the same bits.
  std::string disagreement(const ConvolutionPolicy& policy) const;
  // In one step: readers see the old file or the new. IoError where it cannot be written.
  void save(const std::filesystem::path& path) const;

 private:
  PlanHost host_;
  std::unordered_map<ConvolutionKey, PlanChoice, ConvolutionKeyHash> choices_;
  std::size_t changes_ = 0;
};

}  // namespace mec::cuda
