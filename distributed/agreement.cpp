#include "mec/distributed/agreement.h"

#include <algorithm>
#include <sstream>

#include "mec/tensor/clock.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/error.h"

namespace mec {

std::vector<std::string> gather_texts(const std::string& own, Communicator& ranks) {
  if (ranks.size() == 1) return {own};
  const Device host = make_cpu_device({.threads = 1});
  const auto length = static_cast<std::int64_t>(own.size());
  const std::vector<std::int64_t> lengths =
      ranks.all_gather(Tensor::from(std::vector{length}, {1}, host)).to_vector<std::int64_t>();
  const auto longest = static_cast<std::size_t>(std::max<std::int64_t>(std::ranges::max(lengths), 1));
  std::string padded = own;
  padded.resize(longest);
  const Tensor row = Tensor::from_bytes(padded.data(), {1, std::ssize(padded)}, Dtype::u8, host);
  std::string all(longest * lengths.size(), '\0');
  ranks.all_gather(row).download(all.data());
  std::vector<std::string> texts;
  for (std::size_t rank = 0; rank < lengths.size(); ++rank)
    texts.push_back(all.substr(rank * longest, static_cast<std::size_t>(lengths[rank])));
  return texts;
}

void check_same(const std::vector<std::string>& own, const std::string& what, Communicator& ranks) {
  std::string texts;
  for (const std::string& text : own) texts += text + '\n';
  std::istringstream first(ranks.broadcast(texts));
  for (const std::string& text : own) {
    std::string wanted;
    std::getline(first, wanted);
    check<ValueError>(text == wanted, "processes that are started together ", what, ", but this one has ", text,
                      ", and the first one ", wanted, "; MEC_PROCESSES=1 makes each a run of its own");
  }
}

void on_first_rank(Communicator& ranks, const std::function<void(const AtWork&)>& f) {
  if (ranks.rank() > 0) {
    while (ranks.broadcast(std::int64_t{0}) > 0) {
    }
    return;
  }
  auto told = std::chrono::steady_clock::now();
  f([&] {
    if (seconds_since(told) < 1) return;
    ranks.broadcast(std::int64_t{1});
    told = std::chrono::steady_clock::now();
  });
  ranks.broadcast(std::int64_t{0});
}

}  // namespace mec
