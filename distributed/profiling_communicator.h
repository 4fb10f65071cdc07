// ProfilingCommunicator: counts what the ranks tell each other, and times it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mec/distributed/communicator.h"

namespace mec {

// All calls of one kind in one phase, as one rank sees them.
struct CollectiveProfile {
  std::string phase, name;
  std::int64_t calls = 0;
  // That reach this rank from others, of R: (R−1) times its own tensor where all gather; 2(R−1)/R
  // of the tensor where all are summed, each rank its block; the tensor where rank 0 tells.
  double bytes = 0;
  double waited = 0;   // seconds until the last rank had come
  double seconds = 0;  // from then on
};

// Calls go to the inner communicator, each after all ranks have met: so the time in which messages
// move is told apart from the time in which ranks wait for a slower one. So no call of it is
// capturable(). Sums that go on while the caller works are begun at once: they are calls named
// "sum", whose time is that of their beginning and moving on, and "finish_sums", what is left.
class ProfilingCommunicator final : public Communicator {
 public:
  explicit ProfilingCommunicator(CommunicatorPtr inner) : inner_(std::move(inner)) {}

  int rank() const override { return inner_->rank(); }
  int size() const override { return inner_->size(); }
  Tensor all_gather(const Tensor& own) override;
  void broadcast(const Tensor& t) override;
  std::int64_t broadcast(std::int64_t number) override;
  double maximum(double value) override;
  std::string library(const Device& device) const override { return inner_->library(device); }
  void advance_sums() override;
  void finish_sums() override;
  std::int64_t bytes_of_sum(const Device& device) const override { return inner_->bytes_of_sum(device); }
  // Its messages are not counted.
  CommunicatorPtr split(int group) override { return inner_->split(group); }
  void end_all(int status) override { inner_->end_all(status); }

  // Later calls are counted under this name.
  void begin_phase(const std::string& name) { phase_ = name; }
  void reset() { profiles_.clear(); }
  const std::vector<CollectiveProfile>& profiles() const { return profiles_; }  // in order of first call

 protected:
  void reduce(const Tensor& t) override;
  void begin_reduce(const Tensor& t) override;

 private:
  CollectiveProfile* find(const char* name);     // in this phase; null: there were no such calls
  CollectiveProfile& profile(const char* name);  // the same, made where there is none
  double bytes_summed(const Tensor& t) const;
  template <class Call> auto profiled(const char* name, double bytes, Call call);

  CommunicatorPtr inner_;
  std::string phase_;
  std::vector<CollectiveProfile> profiles_;
};

}  // namespace mec
