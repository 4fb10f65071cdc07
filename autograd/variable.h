// Variable: a tensor together with its gradient and its place in the graph of operations that made
// it.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "mec/tensor/tensor.h"

namespace mec {

struct Node;
class Needs;

// Gradients of an operation's inputs, in order; an undefined tensor where none was needed.
using Grads = std::vector<Tensor>;
using Rule = std::function<Grads(const Tensor& dy, const Needs& need)>;

// A value that a backward rule will read: the tensor itself, or a function that computes it again
// from tensors that are kept anyway.
class Saved {
 public:
  explicit Saved(Tensor kept) : kept_(std::move(kept)) {}
  explicit Saved(std::function<Tensor()> recompute) : recompute_(std::move(recompute)) {}
  Tensor get() const { return recompute_ ? recompute_() : kept_; }

 private:
  Tensor kept_;
  std::function<Tensor()> recompute_;
};

// A handle: copies share data, gradient and graph position. The constructor makes a leaf; record()
// makes the results of operations.
class Variable {
 public:
  Variable() = default;
  explicit Variable(Tensor data, bool requires_grad = false);

  explicit operator bool() const { return state_ != nullptr; }
  const Tensor& data() const;
  const Shape& shape() const { return data().shape(); }
  bool requires_grad() const;

  // The next three are for leaves only: ValueError for the result of an operation.
  void set_data(Tensor replacement);  // same shape and dtype: moves a parameter into another buffer
  void assign(const Tensor& values);  // copies values into the data
  void set_requires_grad(bool requires_grad);
  // From now on this leaf's gradients are written into `buffer`, which has the same shape and
  // dtype.
  void set_grad_buffer(Tensor buffer);
  void clear_grad();  // the next gradient overwrites instead of adding

  // The one element, on the host. ShapeError when there are more.
  double item() const { return data().item(); }

  // Adds to every leaf the gradient of this variable, which has one element; see backward() below.
  void backward() const;

  // The gradient; undefined before the first backward and after clear_grad().
  Tensor grad() const;

  // Called with the complete gradient in each backward that reaches this variable. ValueError
  // without requires_grad.
  void add_hook(std::function<void(const Tensor& grad)> hook);

  // The data for a rule that reads it later. An operation whose result costs one pass over memory
  // says with set_recompute() how it is recomputed, bit by bit the same, from tensors that its own
  // rule keeps; nobody then keeps the result.
  Saved saved() const;
  void set_recompute(std::function<Tensor()> recompute);  // without effect where no gradient is required

 private:
  struct State;
  std::shared_ptr<State> state_;

  friend Variable record(const char*, Tensor, const std::vector<Variable>&, Rule);
  friend void backward(const std::vector<Variable>&, const std::vector<Tensor>&);
};

// Tells a backward rule which inputs need a gradient, and where it may write each.
class Needs {
 public:
  // Memory that the engine offers for input i's gradient, so that no temporary is needed.
  struct Destination {
    Tensor tensor;            // undefined: nothing is offered, return a fresh tensor
    bool accumulate = false;  // add to what is there
  };

  explicit Needs(const Node& node);
  bool operator[](std::size_t input) const;
  // A rule that wrote into the destination returns the destination's tensor. A rule that ignores
  // the offer returns a fresh tensor, which the engine adds.
  Destination destination(std::size_t input) const;
  // Whether `grad` is the destination that was handed out for input i.
  bool was_written(std::size_t input, const Tensor& grad) const;

 private:
  const Node& node_;
  mutable std::vector<Tensor> offered_;
};

// Puts an operation into the graph: `value` was computed from `inputs`, `rule` maps its gradient to
// theirs. A rule captures tensors, never variables. Where no input requires a gradient, or under
// NoGrad, the rule is dropped at once, with all the tensors that it captured.
Variable record(const char* name, Tensor value, const std::vector<Variable>& inputs, Rule rule);
// Whether record() would keep a rule. An undefined variable requires no gradient.
bool is_recorded(const std::vector<Variable>& inputs);

// Adds to every leaf the gradient of Σ_i ⟨cotangents[i], outputs[i]⟩. Rules are freed as they run,
// so a graph can be walked only once. ShapeError or DtypeError, under the operation's name, for a
// rule whose gradients do not fit; ValueError for outputs without a graph.
void backward(const std::vector<Variable>& outputs, const std::vector<Tensor>& cotangents);
// The same for one output of one element, with cotangent 1.
void backward(const Variable& loss);

// While a NoGrad object lives, operations of this thread are not recorded.
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};

}  // namespace mec
