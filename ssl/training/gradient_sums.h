// Sums of gradients over ranks, begun while the backward pass goes on.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "mec/distributed/communicator.h"
#include "mec/nn/parameter_table.h"

namespace mec {

// The flat gradients are cut into pieces of equal length, and the sum of a piece begins as soon as
// the backward pass has left its parameters. That pass is the same on all ranks, and so is the
// order of the pieces.
class GradientSums {
 public:
  // Both outlive it, and the table's module is not moved to another table.
  GradientSums(ParameterTable& parameters, CommunicatorPtr ranks);
  GradientSums(const GradientSums&) = delete;
  GradientSums& operator=(const GradientSums&) = delete;

  // Call it before the first backward pass of each step: what a step that failed, on all ranks, had
  // begun is forgotten.
  void forget() { begun_ = false; }
  // The next backward pass is the last one that adds to the gradients.
  void begin();
  // After it: returns when the gradients are those of all ranks.
  void finish();

 private:
  static constexpr std::int64_t kBegun = -1;

  void add(std::size_t entry);  // its gradient is complete
  void begin_piece(std::int64_t piece);
  // visit(missing_ of a piece, the piece) for those that have a part of the entry's gradient.
  template <class Visit> void visit_pieces(std::size_t entry, Visit visit);

  ParameterTable& parameters_;
  Tensor gradients_;  // its flat buffer
  CommunicatorPtr ranks_;
  std::int64_t length_;                // of a piece, in elements
  std::vector<std::int64_t> missing_;  // of each piece, how many entries' gradients, or kBegun
  bool begun_ = false;
  // For the hooks: the table's variables may outlive it.
  std::shared_ptr<GradientSums*> self_ = std::make_shared<GradientSums*>(this);
};

}  // namespace mec
