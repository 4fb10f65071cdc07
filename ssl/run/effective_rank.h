// Effective rank of embeddings: how many directions they use (RankMe; Garrido, Balestriero, Najman
// & LeCun, "RankMe: Assessing the downstream performance of pretrained self-supervised
// representations by their rank", ICML 2023).
#pragma once

#include <cstdint>
#include <functional>

#include "mec/tensor/tensor.h"

namespace mec {

// Of so many rows the spectrum is taken, the first ones: of 512 x 2048 numbers it takes 0.13 s
// (docs/reliability.md), the eigenvalues of all 2048 x 2048 would take 6.5 s.
inline constexpr std::int64_t kRankRows = 512;

// exp(−Σ p_k log p_k) with p_k = σ_k/Σσ for the singular values σ of z (m,d), f32 or f64 (RankMe,
// equations 1 and 2, without their ε: 0·log 0 is 0). From 1, where all rows are multiples of one,
// to min(m,d); 0 where z is zero, NaN where it is not finite. z is not centred.
//
// Begins to copy z to the host, and returns a function that waits for the copy and does the rest
// there, in f64, which not every device has, on one thread: in the same bits wherever z was. z may
// change once this has returned. `host` is of rank_host().
std::function<double()> effective_rank_later(const Tensor& z, const Device& host);
Device rank_host();
inline double effective_rank(const Tensor& z) { return effective_rank_later(z, rank_host())(); }

}  // namespace mec
