// How long what devices have between them lives.
#include "mec/distributed/device_communicator.h"

#include <doctest/doctest.h>

#include <atomic>

#include "mec/distributed/threads.h"
#include "mec/tensor/backends/wrappers/forwarding.h"
#include "mec/tensor/devices.h"

using namespace mec;

namespace {

// Counts how many are alive.
class CountedCollectives : public Collectives {
 public:
  explicit CountedCollectives(std::atomic<int>& alive) : alive_(alive) { ++alive_; }
  ~CountedCollectives() override { --alive_; }
  std::string library() const override { return "none"; }
  std::string unique_id() override { return "id"; }
  void join(const Membership&) override {}
  void all_gather(In, Out) override {}
  void all_reduce(Out) override {}
  void broadcast(Out) override {}
  void begin_sum(Out) override {}
  void finish_sums() override {}
  void watch() override {}

 private:
  std::atomic<int>& alive_;
};

class CountingDevice : public ForwardingBackend {
 public:
  explicit CountingDevice(std::atomic<int>& alive) : ForwardingBackend(make_cpu_device({.threads = 1})), alive_(alive) {}
  std::unique_ptr<Collectives> make_collectives() override { return std::make_unique<CountedCollectives>(alive_); }

 private:
  std::atomic<int>& alive_;
};

}  // namespace

TEST_CASE("parts of ranks with devices live as long as the whole, since their end waits for other ranks") {
  run_ranks(2, [](const CommunicatorPtr& hosts) {
    std::atomic<int> alive{0};
    {
      const CommunicatorPtr ranks = between_devices(hosts, std::make_shared<CountingDevice>(alive), {});
      ranks->split(0);
      check<ValueError>(alive == 2, "the part is alive, though nobody has it");
    }
    check<ValueError>(alive == 0, "it ends with the whole");
  });
}
