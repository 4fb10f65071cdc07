// Scores a run's encoders while they train, as [eval] of its settings says.
#pragma once

#include <memory>

#include "mec/ssl/run/encoder_scorer.h"

namespace mec {

// For RunOptions::make_scorer. The images are those of `mec eval`: those of the test split are
// classified by those of the training split. Where the data set has no test split, every fifth
// training image is classified by the others; training has seen it, which a note says. Where
// data.validation is set, the run's held-out images are classified by those that it trains on.
//
// Where the run learns from labels, its network says what the images of the test split show, or
// the held-out ones. MissingSplit where there are neither.
//
// kNN is that of KnnOptions, the probe stops after 100 steps of L-BFGS. ValueError, naming the
// setting, where the images have no labels, or too few classes or neighbours.
std::unique_ptr<EncoderScorer> make_encoder_scorer(const PretrainSettings& settings, const ScorerOptions& options);

}  // namespace mec
