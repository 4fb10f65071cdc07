// What a run writes of its network, and is scored by: the encoder, or, where it learns from labels,
// encoder and classifier.
#pragma once

#include <memory>

#include "mec/nn/classifier.h"
#include "mec/nn/files/weights_info.h"
#include "mec/ssl/training/learner.h"

namespace mec {

// Gives features, or logits.
Module& scored_network(Learner& learner);

// A ResNet, or a Classifier whose linear layer has the norm before it folded in: of the learner's
// values, which it shares but for that layer.
std::unique_ptr<Module> network_of(Learner& learner);
// One of the same kind without values, for copy_state() and load_weights().
std::unique_ptr<Module> make_network(const WeightsInfo& info, const Placement& where);

}  // namespace mec
