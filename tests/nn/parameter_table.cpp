#include "mec/nn/parameter_table.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "mec/autograd/ops.h"
#include "mec/nn/batch_norm.h"
#include "mec/nn/ema.h"
#include "mec/nn/initialize.h"
#include "mec/nn/linear.h"
#include "mec/nn/sequential.h"
#include "mec/tensor/devices.h"
#include "support/samples.h"

using namespace mec;
using namespace mec::test;

namespace {

const Device kDevice = make_reference_device();

Sequential network(Dtype dtype = Dtype::f32) {
  const Placement where(kDevice, dtype);
  Sequential net;
  net.add(Linear({.in = 5, .out = 7}, where)).add(BatchNorm({.channels = 7}, where)).add(ReLU());
  net.add(Linear({.in = 7, .out = 3}, where));
  initialize(net, 4);
  return net;
}

// An online network: an encoder, and a predictor that the teacher lacks.
struct Network : Module {
  explicit Network(bool with_predictor) : encoder(network()) {
    if (with_predictor) predictor.add(Linear({.in = 3, .out = 3}, kDevice));
    initialize(*this, 4);
  }
  Variable forward(const Variable& x, const Pass& pass) const override {
    return predictor.forward(encoder.forward(x, pass), pass);
  }
  void visit(const std::string& prefix, Visitor& visitor) override {
    encoder.visit(prefix + "encoder.", visitor);
    predictor.visit(prefix + "predictor.", visitor);
  }
  Sequential encoder, predictor;
};

const GroupRule kNorms{.name = "norms", .kinds = {ParameterKind::norm, ParameterKind::bias}, .lars = false};
const GroupRule kRest{.name = "rest", .weight_decay = 0.1};

Tensor input() { return normal({6, 5}, kDevice, 0, Dtype::f32); }
void run_backward(const Module& net) {
  backward({net.forward(Variable(input()), kTraining)}, {normal({6, 3}, kDevice, 1, Dtype::f32)});
}

}  // namespace

TEST_CASE("parameters move into one buffer, keep their values, and are seen through it") {
  Sequential net = network(), same = network();
  ParameterTable table(net);
  const auto before = parameters_of(same), after = parameters_of(net);
  REQUIRE(table.entries().size() == 6);
  for (std::size_t i = 0; i < 6; ++i) {
    const auto& entry = table.entries()[i];
    CHECK(entry.name == after[i].name);
    CHECK(entry.offset % 16 == 0);  // 64 bytes of f32
    const Tensor& data = after[i].parameter.value.data();
    CHECK(data.to_vector<float>() == before[i].parameter.value.data().to_vector<float>());
    CHECK(data.same_memory(table.values().segment(entry.offset, entry.shape)));
  }
  table.values().fill(2.0);
  CHECK(after[3].parameter.value.data().to_vector<float>() == std::vector<float>(7 * 1, 2.0F));
}

TEST_CASE("gradients land in the flat buffer, and what no backward reached is zero there") {
  Network net(true);
  ParameterTable table(net);
  run_backward(net.encoder);
  const Tensor flat = table.gradients();
  Network plain(true);
  run_backward(plain.encoder);
  const auto expected = parameters_of(plain);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(expected[i].name);
    const Tensor grad = expected[i].parameter.value.grad();
    const auto here = flat.segment(table.entries()[i].offset, table.entries()[i].shape).to_vector<float>();
    CHECK(here == (grad ? grad.to_vector<float>() : std::vector<float>(here.size(), 0.0F)));
  }

  const auto once = flat.to_vector<float>();
  table.clear_grads();
  run_backward(net.encoder);
  CHECK(table.gradients().to_vector<float>() == once);  // overwritten, not added to
  run_backward(net);                                    // reaches the predictor
  table.clear_grads();
  run_backward(net.encoder);
  CHECK(table.gradients().to_vector<float>() == once);  // the predictor's old gradient is gone
}

TEST_CASE("groups are contiguous, in order, by the first rule that matches") {
  Network net(true);
  const GroupRule predictor{.name = "predictor", .prefix = "predictor.", .constant_lr = 0.5};
  ParameterTable table(net, {predictor, kNorms, kRest});
  std::vector<std::string> names;
  for (const auto& entry : table.entries()) names.push_back(entry.name);
  CHECK(names == std::vector<std::string>{"predictor.0.weight", "predictor.0.bias", "encoder.0.bias", "encoder.1.weight",
                                          "encoder.1.bias", "encoder.3.bias", "encoder.0.weight", "encoder.3.weight"});
  std::int64_t end = 0;
  for (const auto& group : table.groups()) {
    CHECK(group.begin == end);
    end = group.end;
    const auto offsets = group.offsets.to_vector<std::int64_t>();
    REQUIRE(offsets.size() == group.last_entry - group.first_entry + 1);
    for (std::size_t i = group.first_entry; i < group.last_entry; ++i) {
      CHECK(table.entries()[i].offset == group.begin + offsets[i - group.first_entry]);
    }
    CHECK(offsets.back() == group.end - group.begin);
  }
  CHECK(end == table.values().numel());
}

TEST_CASE("a parameter that no rule takes is named, and so are two dtypes") {
  Network net(true);
  CHECK(contains(message_of<ValueError>([&] { ParameterTable(net, {kNorms}); }), "encoder.0.weight"));
  Sequential mixed;
  mixed.add(Linear({.in = 2, .out = 2}, kDevice)).add(Linear({.in = 2, .out = 2}, {kDevice, Dtype::f64}));
  CHECK(contains(message_of<DtypeError>([&] { ParameterTable table(mixed); }), "1.weight"));
  Sequential empty;
  CHECK_THROWS_AS(ParameterTable table(empty), ValueError);
}

TEST_CASE("a frozen module has values but no gradients") {
  Sequential net = network();
  freeze(net);
  ParameterTable table(net);
  CHECK_THROWS_AS(table.gradients(), ValueError);
  CHECK_FALSE(net.forward(Variable(input()), kTraining).requires_grad());
}

TEST_CASE("copy_state makes a teacher equal to its student and refuses another network") {
  Sequential student = network(), teacher = network();
  initialize(teacher, 99);
  student.forward(Variable(input()), kTraining);  // moves the running statistics
  copy_state(student, teacher);
  CHECK(student.forward(Variable(input()), kEvaluation).data().to_vector<float>() ==
        teacher.forward(Variable(input()), kEvaluation).data().to_vector<float>());
  Network other(false);
  CHECK_THROWS_AS(copy_state(student, other), ValueError);
}

TEST_CASE("the teacher follows its part of each group") {
  Network online(true), teacher(false);
  freeze(teacher);
  initialize(teacher, 99);
  ParameterTable online_table(online, {kNorms, kRest}), teacher_table(teacher, {kNorms, kRest});
  const auto o = parameters_of(online), t = parameters_of(teacher);
  std::vector<std::vector<float>> before;
  for (const auto& p : t) before.push_back(p.parameter.value.data().to_vector<float>());

  Ema ema(teacher_table, online_table);
  ema.update(Tensor::full({1}, 0.75, Dtype::f32, kDevice));
  for (std::size_t i = 0; i < t.size(); ++i) {
    CAPTURE(t[i].name);
    REQUIRE(o[i].name == t[i].name);
    const auto source = o[i].parameter.value.data().to_vector<float>(), now = t[i].parameter.value.data().to_vector<float>();
    for (std::size_t j = 0; j < now.size(); ++j) CHECK(now[j] == 0.75F * before[i][j] + 0.25F * source[j]);
  }
  CHECK_THROWS_AS(ema.update(Tensor::full({1}, 0.75, Dtype::f64, kDevice)), DtypeError);
}

TEST_CASE("a teacher that does not lie at the start of the online network's groups is refused by name") {
  Network online(true), teacher(false);
  ParameterTable teacher_table(teacher, {kRest}), other_groups(online, {kNorms, kRest});
  CHECK_THROWS_AS(Ema(teacher_table, other_groups), ValueError);
  struct Reversed : Network {
    Reversed() : Network(true) {}
    void visit(const std::string& prefix, Visitor& visitor) override {
      predictor.visit(prefix + "predictor.", visitor);
      encoder.visit(prefix + "encoder.", visitor);
    }
  } reversed;
  ParameterTable reversed_table(reversed, {kRest});
  const std::string message = message_of<ValueError>([&] { Ema ema(teacher_table, reversed_table); });
  CHECK(contains(message, "encoder.0.weight"));
  CHECK(contains(message, "predictor.0.weight"));
  Sequential one, two;  // alike in every size
  one.add(Linear({.in = 3, .out = 3}, kDevice));
  two.add(ReLU()).add(Linear({.in = 3, .out = 3}, kDevice));
  ParameterTable one_table(one), two_table(two);
  CHECK(contains(message_of<ValueError>([&] { Ema ema(one_table, two_table); }), "1.weight"));
  Network small(false);
  ParameterTable small_table(small, {kRest});
  ParameterTable large_teacher(online, {kRest});
  CHECK(contains(message_of<ValueError>([&] { Ema ema(large_teacher, small_table); }), "predictor.0.weight"));
}
