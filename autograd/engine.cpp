// The backward walk over the graph. Without recursion: a chain of a million operations does not
// overflow the stack.
#include <algorithm>

#include "mec/autograd/node.h"
#include "mec/tensor/ops/elementwise.h"

namespace mec {

Node::~Node() {
  std::vector<std::shared_ptr<Node>> owned = std::move(inputs);
  while (!owned.empty()) {
    const std::shared_ptr<Node> node = std::move(owned.back());
    owned.pop_back();
    if (!node || node.use_count() > 1) continue;
    for (auto& input : node->inputs) owned.push_back(std::move(input));
    node->inputs.clear();
  }
}

void Node::accumulate(const Tensor& contribution) {
  if (!has_grad) {
    if (fixed_buffer) grad.copy_from(contribution);
    else grad = contribution;
  } else if (fixed_buffer || grad.is_unique()) {
    add_into(contribution, grad);
  } else {
    // Another node holds the same tensor: adding in place would change that node's gradient too.
    grad = add(grad, contribution);
  }
  has_grad = true;
}

Needs::Needs(const Node& node) : node_(node), offered_(node.inputs.size()) {}

bool Needs::operator[](std::size_t input) const { return node_.inputs.at(input) != nullptr; }

Needs::Destination Needs::destination(std::size_t input) const {
  const auto& target = node_.inputs.at(input);
  if (!target) return {};
  // An operand that occurs twice has two contributions: offering one place to both would let the
  // second overwrite the first.
  if (std::ranges::count(node_.inputs, target) > 1) return {};
  if (!target->fixed_buffer && !(target->has_grad && target->grad.is_unique())) return {};
  offered_[input] = target->grad;
  return {target->grad, target->has_grad};
}

bool Needs::was_written(std::size_t input, const Tensor& grad) const { return grad.same_memory(offered_.at(input)); }

namespace {

using NodePtr = std::shared_ptr<Node>;

// Returns all nodes reachable from the roots, and sets `pending` of each to its number of consumers
// among them.
std::vector<NodePtr> count_consumers(const std::vector<NodePtr>& roots) {
  std::vector<NodePtr> nodes, stack;
  const auto visit = [&](const NodePtr& node) {
    if (node->visited) return;
    node->visited = true;
    node->pending = 0;
    nodes.push_back(node);
    stack.push_back(node);
  };
  for (const NodePtr& root : roots) visit(root);
  while (!stack.empty()) {
    const NodePtr node = std::move(stack.back());
    stack.pop_back();
    for (const NodePtr& input : node->inputs) {
      if (!input) continue;
      visit(input);
      ++input->pending;
    }
  }
  return nodes;
}

void check_gradient(const Node& node, std::size_t i, const Tensor& grad) {
  const Node& input = *node.inputs[i];
  check<ValueError>(static_cast<bool>(grad), node.name, ": the backward rule gave no gradient for input ", i);
  check<ShapeError>(grad.shape() == input.shape, node.name, ": the gradient of input ", i, " is ", grad.shape(),
                    ", but the input is ", input.shape);
  check<DtypeError>(grad.dtype() == input.dtype, node.name, ": the gradient of input ", i, " is ", grad.dtype(),
                    ", but the input is ", input.dtype);
}

// Runs one node's rule, frees what it saved, and hands the gradients on.
void propagate(Node& node) {
  const Tensor dy = std::move(node.grad);
  node.grad = {};
  node.has_grad = false;
  const Needs need(node);
  Grads grads;
  {
    const Rule rule = std::move(node.rule);
    node.rule = nullptr;
    grads = rule(dy, need);
  }
  check<ValueError>(grads.size() == node.inputs.size(), node.name, ": the backward rule gave ", grads.size(), " gradients for ",
                    node.inputs.size(), " inputs");
  for (std::size_t i = 0; i < grads.size(); ++i) {
    if (!node.inputs[i]) continue;
    check_gradient(node, i, grads[i]);
    if (need.was_written(i, grads[i])) node.inputs[i]->has_grad = true;
    else node.inputs[i]->accumulate(grads[i]);
    grads[i] = {};
  }
}

}  // namespace

void run_backward(const std::vector<NodePtr>& roots, const std::vector<Tensor>& cotangents) {
  const std::vector<NodePtr> nodes = count_consumers(roots);
  for (const NodePtr& node : nodes) {
    node->visited = false;
    // A walk that ended in an exception may have left a partial gradient.
    if (!node->is_leaf) node->has_grad = false;
  }
  for (const NodePtr& node : nodes) {
    check<ValueError>(node->is_leaf || node->rule, "backward: the graph of ", node->name,
                      " was walked before and has been freed; run the forward pass again");
  }
  for (std::size_t i = 0; i < roots.size(); ++i) roots[i]->accumulate(cotangents[i]);

  std::vector<NodePtr> ready;
  for (const NodePtr& node : nodes) {
    if (node->pending == 0) ready.push_back(node);  // roots that no other root depends on
  }
  while (!ready.empty()) {
    const NodePtr node = std::move(ready.back());
    ready.pop_back();
    for (const auto& hook : node->hooks) hook(node->grad);
    if (node->is_leaf) continue;
    propagate(*node);
    for (const NodePtr& input : node->inputs) {
      if (input && --input->pending == 0) ready.push_back(input);
    }
    node->inputs.clear();
  }
}

}  // namespace mec
