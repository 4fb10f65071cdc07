// Module: a struct with named members and one visit(). Parameters, buffers, state, checkpoints and
// the flat table all follow from visit(), so that nothing can be forgotten.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "mec/autograd/ops/batch_norm.h"

namespace mec {

// What a parameter is, for grouping: norms and biases are commonly left out of weight decay and
// LARS.
enum class ParameterKind { weight, bias, norm };

// What a parameter starts from; initialize() in initialize.h draws it.
struct Initializer {
  enum class Kind { constant, normal, uniform } kind = Kind::constant;
  // The constant, the standard deviation around 0, or the bound of [−value, value).
  double value = 0.0;
};

struct Parameter {
  Variable value;  // f32 (or f64 in tests)
  ParameterKind kind = ParameterKind::weight;
  Initializer init = {};
  // Channels (last dimension) that exist in files, where a device stores more
  // (Backend::image_channels); 0: all of them.
  std::int64_t file_channels = 0;

  explicit operator bool() const { return static_cast<bool>(value); }
  operator const Variable&() const { return value; }
};

// Where a layer's parameters live, and their dtype.
struct Placement {
  // Implicit: most callers give a device alone.
  Placement(Device d, Dtype t = Dtype::f32) : device(std::move(d)), dtype(t) {}
  Device device;
  Dtype dtype;
};

// A parameter that requires a gradient. Constants are filled in at once. Values to be drawn stay
// NaN until initialize() or load_weights() fills them: if both are forgotten, the first loss is
// NaN.
Parameter make_parameter(const Shape& shape, const Placement& where, ParameterKind kind, const Initializer& init);

// The settings in which a forward pass in training differs from one in evaluation.
struct Pass {
  bool training = true;        // batch norm uses the batch's statistics
  bool update_running = true;  // and folds them into its running ones
  // A batch may pass in so many equal parts, one after the other; this is which one, from 0. The
  // mean of the parts' statistics is then folded in once.
  std::int64_t part = 0, parts = 1;
  const BatchNormAcross* across = nullptr;  // where the batch is spread over processes
};
inline constexpr Pass kTraining{};
inline constexpr Pass kEvaluation{.training = false, .update_running = false};

class Visitor {
 public:
  virtual ~Visitor() = default;
  virtual void parameter(const std::string& name, Parameter& parameter) = 0;
  // State without a gradient: running statistics.
  virtual void buffer(const std::string& name, Tensor& buffer) = 0;
};

class Module {
 public:
  virtual ~Module() = default;
  virtual Variable forward(const Variable& x, const Pass& pass) const = 0;
  // model(x) and model(x, kEvaluation). A module has no train() and eval(): it is const here, so
  // several threads may use it at once, and no forgotten eval() can spoil an evaluation.
  Variable operator()(const Variable& x, const Pass& pass = kTraining) const { return forward(x, pass); }
  Variable operator()(const Tensor& x, const Pass& pass = kTraining) const { return forward(Variable(x), pass); }
  // Calls the visitor for every parameter and buffer, in a fixed order. Each name is preceded by
  // `prefix`, which is empty or ends in a dot ("layer1.0." makes "layer1.0.conv1.weight").
  virtual void visit(const std::string& prefix, Visitor& visitor) = 0;
};

// What visit() would show, as lists. The handles are the module's own: assigning to them changes
// it.
struct NamedParameter {
  std::string name;
  Parameter parameter;
};
struct NamedBuffer {
  std::string name;
  Tensor tensor;
};
std::vector<NamedParameter> parameters_of(Module& module, const std::string& prefix = "");
std::vector<NamedBuffer> buffers_of(Module& module, const std::string& prefix = "");

// From now on no parameter requires a gradient (a teacher's, a finished encoder's). If a
// ParameterTable is made of the module, freeze it before.
void freeze(Module& module);

// Copies every parameter and buffer of `source` into `target`: a teacher starts as its student.
// ValueError unless both have the same names in the same order, ShapeError unless the shapes are
// the same.
void copy_state(Module& source, Module& target);

}  // namespace mec
