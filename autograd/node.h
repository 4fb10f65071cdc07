// Node: one operation (or leaf) in the graph, and the walk over it.
#pragma once

#include "mec/autograd/variable.h"

namespace mec {

struct Node {
  Node() = default;
  ~Node();  // frees a chain of any length without recursion
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Takes one contribution to this node's gradient.
  void accumulate(const Tensor& contribution);

  const char* name = "";
  bool is_leaf = false;
  Shape shape;  // of the value, and so of its gradient
  Dtype dtype = Dtype::f32;
  std::vector<std::shared_ptr<Node>> inputs;  // null where an input needs no gradient
  Rule rule;                                  // empty in a leaf, and after it ran
  std::vector<std::function<void(const Tensor&)>> hooks;

  Tensor grad;                // the sum of the contributions so far
  bool has_grad = false;      // false: grad is undefined or, in a fixed buffer, stale
  bool fixed_buffer = false;  // grad's memory is a leaf's own and stays where it is
  int pending = 0;            // consumers whose contribution is still to come, during a walk
  bool visited = false;
};

// Walks from the roots, which get the cotangents, to the leaves. A node's rule runs once all its
// consumers have run.
void run_backward(const std::vector<std::shared_ptr<Node>>& roots, const std::vector<Tensor>& cotangents);

}  // namespace mec
