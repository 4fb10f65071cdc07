// c_calls: what a call of the C interface costs beside the work that it does. The same loss is
// taken by the C interface and by the library, in turn; the work is as small as it can be.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "mec.h"
#include "mec/ssl/methods/pair_loss.h"
#include "mec/tensor/devices.h"

namespace {

constexpr int kRounds = 21, kCalls = 2000;

// The median of the rounds, in microseconds a call.
template <class Call> double microseconds(Call call) {
  std::vector<double> rounds;
  for (int round = 0; round < kRounds; ++round) {
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < kCalls; ++i) call();
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - began;
    rounds.push_back(took.count() / kCalls);
  }
  std::ranges::nth_element(rounds, rounds.begin() + kRounds / 2);
  return rounds[kRounds / 2];
}

}  // namespace

int main() {
  const std::vector<double> p{1, 0, 0, 1}, z{0.8, 0.6, 0.6, 0.8};
  std::vector<double> dp(4);
  mec_device device = MEC_DEVICE_INIT;
  device.threads = 1;
  mec_objective* objective = nullptr;
  if (mec_objective_open("method = \"byol\"", &device, &objective) != MEC_OK) {
    std::fprintf(stderr, "%s\n", mec_last_error());
    return 1;
  }
  mec_embeddings embeddings = MEC_EMBEDDINGS_INIT;
  embeddings.dtype = MEC_F64;
  embeddings.m = embeddings.d = 2;
  embeddings.p = p.data();
  embeddings.z = z.data();
  embeddings.dp = dp.data();
  const auto through_c = [&] {
    mec_figures figures;
    if (mec_objective_evaluate(objective, &embeddings, &figures)) std::abort();
  };
  mec::PretrainSettings settings;
  mec::choose_method(settings, "byol");
  mec::PairLoss loss(settings);
  const mec::Device cpu = mec::make_cpu_device({.threads = 1});
  const auto direct = [&] {
    const mec::Tensor P = mec::Tensor::from(p, {2, 2}, cpu), Z = mec::Tensor::from(z, {2, 2}, cpu);
    loss(P, Z, {}, {.dp = true, .dz = false}).dp.download(dp.data());
  };
  const double c = microseconds(through_c), cpp = microseconds(direct);
  const double refused = microseconds([] { mec_objective_free(nullptr); });
  std::printf("a loss of 2x2 embeddings: %.2f us by mec.h, %.2f us by the library; a call that is refused: %.2f us\n", c, cpp,
              refused);
  mec_objective_free(objective);
}
