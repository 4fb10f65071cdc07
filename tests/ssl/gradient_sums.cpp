// Sums of gradients that begin while the backward pass goes on.
#include "mec/ssl/training/gradient_sums.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "mec/nn/linear.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"

using namespace mec;

namespace {

const Device kDevice = make_reference_device();

// The first of two ranks, of which the other has the same gradients.
class Twins : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 2; }
  Tensor all_gather(const Tensor& own) override { return cat({own, own}); }
  void broadcast(const Tensor&) override {}
  std::int64_t broadcast(std::int64_t number) override { return number; }
  double maximum(double value) override { return value; }
  CommunicatorPtr split(int) override { return one_process(); }
  void end_all(int) override {}
  std::int64_t bytes_of_sum(const Device&) const override { return bytes; }
  void finish_sums() override {
    for (const Tensor& t : begun) add_into(t.clone(), t);
    finished += begun.size();
    begun.clear();
  }

  std::int64_t bytes = 150;  // 18 elements of f64
  std::vector<Tensor> begun;
  std::size_t finished = 0;

 protected:
  void reduce(const Tensor&) override { FAIL("a sum is begun, not taken at once"); }
  void begin_reduce(const Tensor& t) override { begun.push_back(t); }
};

// x -> third(second(first(x))); a branch that no loss reaches, and a frozen one.
struct Chain : Module {
  Linear first{{.in = 4, .out = 5}, {kDevice, Dtype::f64}}, second{{.in = 5, .out = 9}, {kDevice, Dtype::f64}},
      third{{.in = 9, .out = 2}, {kDevice, Dtype::f64}}, unused{{.in = 3, .out = 3}, {kDevice, Dtype::f64}},
      frozen{{.in = 2, .out = 2}, {kDevice, Dtype::f64}};

  Chain() {
    for (const NamedParameter& p : parameters_of(*this)) {
      Variable value = p.parameter.value;
      value.assign(random(value.shape(), Dtype::f64, kDevice, {.seed = 3}));
    }
    freeze(frozen);
  }
  Variable forward(const Variable& x, const Pass& pass) const override {
    return frozen.forward(third.forward(second.forward(first.forward(x, pass), pass), pass), pass);
  }
  void visit(const std::string& prefix, Visitor& visitor) override {
    first.visit(prefix + "first.", visitor);
    second.visit(prefix + "second.", visitor);
    third.visit(prefix + "third.", visitor);
    unused.visit(prefix + "unused.", visitor);
    frozen.visit(prefix + "frozen.", visitor);
  }
};

const Tensor kImages = random({6, 4}, Dtype::f64, kDevice, {.seed = 1});
const Tensor kCotangent = random({6, 2}, Dtype::f64, kDevice, {.seed = 2});

void pass_backward(const Chain& chain) { backward({chain(kImages)}, {kCotangent}); }

}  // namespace

TEST_CASE("gradients are summed in pieces that begin as the backward pass leaves them, the last layers' first") {
  Chain chain, alone;
  ParameterTable parameters(chain), of_one(alone);
  const auto ranks = std::make_shared<Twins>();
  GradientSums sums(parameters, ranks);
  for (int step = 0; step < 3; ++step) {
    parameters.clear_grads();
    of_one.clear_grads();
    pass_backward(chain);  // two passes add to the gradients; nothing is summed before the last
    CHECK(ranks->begun.empty());
    sums.begin();
    pass_backward(chain);
    const std::size_t in_backward = ranks->begun.size();
    sums.finish();
    for (int pass = 0; pass < 2; ++pass) pass_backward(alone);
    const auto summed = parameters.gradients().to_vector<double>(), own = of_one.gradients().to_vector<double>();
    CHECK(std::ranges::equal(summed, own, [](double sum, double one) { return sum == 2 * one; }));
    const auto pieces = static_cast<std::size_t>((parameters.values().numel() + 17) / 18);
    CHECK(ranks->finished == pieces);
    ranks->finished = 0;
    CHECK(in_backward < pieces);  // the unused branch waits for the end
    CHECK(in_backward > pieces / 2);
  }
}

TEST_CASE("the order of the pieces is that of the backward pass, and each is as long as ranks divide") {
  Chain chain;
  ParameterTable parameters(chain);
  const auto ranks = std::make_shared<Twins>();
  GradientSums sums(parameters, ranks);
  parameters.clear_grads();
  sums.begin();
  pass_backward(chain);
  const auto place = [&](const Tensor& piece) {
    return static_cast<double*>(piece.out().data) - static_cast<double*>(parameters.gradients().out().data);
  };
  REQUIRE(ranks->begun.size() > 2);
  CHECK(place(ranks->begun.front()) > place(ranks->begun.back()));
  CHECK(place(ranks->begun.back()) <= 18);  // of the first layer
  for (const Tensor& piece : ranks->begun) CHECK((piece.numel() == 18 && place(piece) % 18 == 0));
  sums.finish();
}

TEST_CASE("a piece that is longer than all gradients is one sum at the end") {
  Chain chain;
  ParameterTable parameters(chain);
  const auto ranks = std::make_shared<Twins>();
  ranks->bytes = 1 << 21;
  GradientSums sums(parameters, ranks);
  sums.begin();
  pass_backward(chain);
  CHECK(ranks->begun.empty());
  sums.finish();
  CHECK(ranks->finished == 1);
}

TEST_CASE("what a step that failed had begun is forgotten by the next one") {
  Chain chain;
  ParameterTable parameters(chain);
  const auto ranks = std::make_shared<Twins>();
  GradientSums sums(parameters, ranks);
  bool fails = true;
  Variable(chain.second.weight.value).add_hook([&](const Tensor&) { check<MemoryError>(!fails, "no room"); });
  sums.begin();
  CHECK_THROWS_AS(pass_backward(chain), MemoryError);
  CHECK_FALSE(ranks->begun.empty());
  fails = false;
  ranks->begun.clear();
  parameters.clear_grads();
  sums.forget();
  pass_backward(chain);  // the first of two
  CHECK(ranks->begun.empty());
}

TEST_CASE("variables may outlive the sums of their gradients") {
  Chain chain;
  ParameterTable parameters(chain);
  { const GradientSums sums(parameters, std::make_shared<Twins>()); }
  pass_backward(chain);
}
