#include "mec/ssl/training/gradient_sums.h"

#include <algorithm>
#include <utility>

namespace mec {

namespace {

// The ranks divide it.
std::int64_t length_of_piece(const Tensor& gradients, const Communicator& ranks) {
  const std::int64_t elements = ranks.bytes_of_sum(gradients.device()) / size_of(gradients.dtype());
  return std::max<std::int64_t>(elements / ranks.size(), 1) * ranks.size();
}

}  // namespace

GradientSums::GradientSums(ParameterTable& parameters, CommunicatorPtr ranks)
    : parameters_(parameters),
      gradients_(parameters.gradients()),
      ranks_(std::move(ranks)),
      length_(length_of_piece(gradients_, *ranks_)) {
  for (std::size_t e = 0; e < parameters.entries().size(); ++e) {
    Variable variable = parameters.entries()[e].variable;
    if (!variable.requires_grad()) continue;
    variable.add_hook([e, self = std::weak_ptr(self_)](const Tensor&) {
      if (const auto sums = self.lock()) (*sums)->add(e);
    });
  }
}

template <class Visit> void GradientSums::visit_pieces(std::size_t entry, Visit visit) {
  const auto& [name, shape, offset, variable] = parameters_.entries()[entry];
  if (!variable.requires_grad()) return;
  for (std::int64_t piece = offset / length_; piece * length_ < offset + shape.numel(); ++piece)
    visit(missing_[static_cast<std::size_t>(piece)], piece);
}

void GradientSums::begin() {
  missing_.assign(static_cast<std::size_t>((gradients_.numel() + length_ - 1) / length_), 0);
  for (std::size_t e = 0; e < parameters_.entries().size(); ++e)
    visit_pieces(e, [](std::int64_t& missing, std::int64_t) { ++missing; });
  begun_ = true;
}

void GradientSums::add(std::size_t entry) {
  if (!begun_) return;
  visit_pieces(entry, [this](std::int64_t& missing, std::int64_t piece) {
    if (--missing == 0) begin_piece(piece);
  });
  ranks_->advance_sums();
}

void GradientSums::begin_piece(std::int64_t piece) {
  missing_[static_cast<std::size_t>(piece)] = kBegun;
  const std::int64_t begin = piece * length_;
  ranks_->begin_sum(gradients_.segment(begin, {std::min(length_, gradients_.numel() - begin)}));
}

void GradientSums::finish() {
  begun_ = false;
  ranks_->finish_sums();
  if (std::ranges::all_of(missing_, [](std::int64_t missing) { return missing == kBegun; })) return;
  static_cast<void>(parameters_.gradients());  // zeros where the backward pass did not come
  for (std::size_t piece = 0; piece < missing_.size(); ++piece)
    if (missing_[piece] != kBegun) begin_piece(static_cast<std::int64_t>(piece));
  ranks_->finish_sums();
}

}  // namespace mec
