#include "mec/autograd/variable.h"

#include <algorithm>
#include <utility>

#include "mec/autograd/node.h"

namespace mec {

struct Variable::State {
  Tensor data;
  std::function<Tensor()> recompute;  // empty: the data is what is saved
  std::shared_ptr<Node> node;         // null where no gradient is required
};

namespace {

thread_local bool recording = true;

std::shared_ptr<Node> make_leaf(const Tensor& data) {
  auto node = std::make_shared<Node>();
  node->name = "leaf";
  node->is_leaf = true;
  node->shape = data.shape();
  node->dtype = data.dtype();
  return node;
}

void check_fits(const char* op, const Tensor& data, const Tensor& other) {
  check<ShapeError>(data.shape() == other.shape(), op, ": a variable ", data.shape(), " cannot take ", other.shape());
  check<DtypeError>(data.dtype() == other.dtype(), op, ": a variable of ", data.dtype(), " cannot take ", other.dtype());
}

}  // namespace

NoGrad::NoGrad() : before_(std::exchange(recording, false)) {}
NoGrad::~NoGrad() { recording = before_; }

Variable::Variable(Tensor data, bool requires_grad) : state_(std::make_shared<State>()) {
  state_->data = std::move(data);
  set_requires_grad(requires_grad);
}

const Tensor& Variable::data() const {
  check<ValueError>(state_ != nullptr, "Variable: an undefined variable has no data");
  return state_->data;
}

bool Variable::requires_grad() const { return state_ && state_->node; }

void Variable::set_data(Tensor replacement) {
  check_fits("set_data", data(), replacement);
  check<ValueError>(!state_->node || state_->node->is_leaf, "set_data: only a leaf's data can be replaced");
  state_->data = std::move(replacement);
}

void Variable::assign(const Tensor& values) {
  check<ShapeError>(values.shape() == shape(), "assign: a variable ", shape(), " cannot take values of ", values.shape());
  check<ValueError>(!state_->node || state_->node->is_leaf, "assign: only a leaf's data can be replaced");
  state_->data.copy_from(values);
}

void Variable::set_requires_grad(bool requires_grad) {
  if (requires_grad == this->requires_grad()) return;
  check<ValueError>(state_ != nullptr, "set_requires_grad: an undefined variable has no gradient");
  check<ValueError>(!state_->node || state_->node->is_leaf,
                    "set_requires_grad: only a leaf can change whether it requires a gradient");
  check<DtypeError>(!requires_grad || is_floating(data().dtype()), "set_requires_grad: ", data().dtype(), " has no gradients");
  state_->node = requires_grad ? make_leaf(state_->data) : nullptr;
}

void Variable::set_grad_buffer(Tensor buffer) {
  check<ValueError>(requires_grad() && state_->node->is_leaf,
                    "set_grad_buffer: the variable must be a leaf that requires a gradient");
  check_fits("set_grad_buffer", data(), buffer);
  state_->node->grad = std::move(buffer);
  state_->node->has_grad = false;
  state_->node->fixed_buffer = true;
}

void Variable::clear_grad() {
  if (!requires_grad()) return;
  state_->node->has_grad = false;
  if (!state_->node->fixed_buffer) state_->node->grad = {};
}

Tensor Variable::grad() const { return requires_grad() && state_->node->has_grad ? state_->node->grad : Tensor(); }

void Variable::add_hook(std::function<void(const Tensor&)> hook) {
  check<ValueError>(requires_grad(), "add_hook: the variable requires no gradient, so the hook would never run");
  state_->node->hooks.push_back(std::move(hook));
}

void Variable::backward() const { mec::backward(*this); }

Saved Variable::saved() const { return state_ && state_->recompute ? Saved(state_->recompute) : Saved(data()); }

void Variable::set_recompute(std::function<Tensor()> recompute) {
  if (requires_grad()) state_->recompute = std::move(recompute);
}

bool is_recorded(const std::vector<Variable>& inputs) {
  return recording && std::ranges::any_of(inputs, [](const Variable& input) { return input.requires_grad(); });
}

Variable record(const char* name, Tensor value, const std::vector<Variable>& inputs, Rule rule) {
  Variable out(std::move(value));
  if (!is_recorded(inputs)) return out;

  auto node = std::make_shared<Node>();
  node->name = name;
  node->shape = out.shape();
  node->dtype = out.data().dtype();
  node->rule = std::move(rule);
  for (const Variable& input : inputs) node->inputs.push_back(input.state_ ? input.state_->node : nullptr);
  out.state_->node = std::move(node);
  return out;
}

void backward(const std::vector<Variable>& outputs, const std::vector<Tensor>& cotangents) {
  check<ShapeError>(outputs.size() == cotangents.size(), "backward: ", outputs.size(), " outputs, but ", cotangents.size(),
                    " cotangents");
  std::vector<std::shared_ptr<Node>> roots;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    check<ValueError>(outputs[i].requires_grad(), "backward: output ", i,
                      " does not depend on anything that requires a gradient");
    check<ShapeError>(outputs[i].shape() == cotangents[i].shape(), "backward: output ", i, " is ", outputs[i].shape(),
                      ", but its cotangent is ", cotangents[i].shape());
    check<DtypeError>(outputs[i].data().dtype() == cotangents[i].dtype(), "backward: output ", i, " is ",
                      outputs[i].data().dtype(), ", but its cotangent is ", cotangents[i].dtype());
    roots.push_back(outputs[i].state_->node);
  }
  run_backward(roots, cotangents);
}

void backward(const Variable& loss) {
  check<ShapeError>(loss.data().numel() == 1, "backward: without a cotangent the output has one element, but it is ",
                    loss.shape(), "; take its sum() or mean(), or give a cotangent");
  backward({loss}, {Tensor::full(loss.shape(), 1.0, loss.data().dtype(), loss.data().device())});
}

}  // namespace mec
