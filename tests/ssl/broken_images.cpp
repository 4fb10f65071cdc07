// When the ranks of a run tell each other of the images that they have skipped.
#include "mec/ssl/run/broken_images.h"

#include <algorithm>

#include "mec/ssl/training/training_loop.h"
#include "ssl/tiny_run.h"

using namespace mec;
using namespace mec::test;

namespace {

// One of two ranks, which lists what it asks of the other.
class ListingRank : public Communicator {
 public:
  ListingRank(int rank, std::vector<std::string>& list) : rank_(rank), list_(list) {}
  int rank() const override { return rank_; }
  int size() const override { return 2; }
  Tensor all_gather(const Tensor& own) override { return own; }
  void broadcast(const Tensor&) override {}
  std::int64_t broadcast(std::int64_t number) override { return number; }
  double maximum(double value) override {
    list_.emplace_back("maximum");
    return value;
  }
  CommunicatorPtr split(int) override { return one_process(); }
  void end_all(int) override {}

 protected:
  void reduce(const Tensor&) override {}

 private:
  int rank_;
  std::vector<std::string>& list_;
};

// As one who writes a checkpoint.
struct WantsState : Observer {
  explicit WantsState(std::int64_t of) : step(of) {}
  bool wants_state(const StepEnd& end) override { return end.step == step; }
  std::int64_t step;
};

// Of six steps, on a device that runs behind the host: what this rank does, in order.
std::vector<std::string> calls_of(int rank, std::int64_t checkpoint) {
  const Device device = std::make_shared<RecordingBackend>(make_reference_device());
  const PretrainSettings settings = tiny_settings();
  Learner learner(learner_options(settings), device);
  const auto objective = make_objective(settings, device);
  std::vector<std::string> list;
  BrokenImages broken("broken.txt", 10, {}, std::make_shared<ListingRank>(rank, list));
  WantsState state(checkpoint);
  TrainingLoop loop(learner, *objective, settings, TrainPlan(settings, 3), {&state, &broken}, {});
  for (std::uint64_t step = 0; step < 6; ++step) {
    list.push_back(concat("step ", step + 1));
    std::vector<Tensor> views;
    for (std::uint64_t view = 0; view < 2; ++view)
      views.push_back(random({8, 10, 10, 1}, Dtype::f32, device, {.seed = 2 * step + view}));
    loop.step(views, 0);
  }
  list.emplace_back("end");
  loop.finish();
  return list;
}

}  // namespace

TEST_CASE("ranks tell each other of skipped images after the same steps, whoever writes a checkpoint") {
  const std::vector<std::string> all = calls_of(1, 0);
  CHECK(std::ranges::count(all, "maximum") == 6 + 2);  // after each step and each epoch
  CHECK(all.at(1) == "maximum");                       // not when the step is reported
  for (const std::int64_t checkpoint : {1, 2, 4, 5}) {
    CAPTURE(checkpoint);
    CHECK(calls_of(0, checkpoint) == all);
  }
}
