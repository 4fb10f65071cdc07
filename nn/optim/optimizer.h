// What all optimisers share: one pass over each group of a parameter table.
#pragma once

#include <vector>

#include "mec/nn/parameter_table.h"

namespace mec {

// Parameters that do not require a gradient stay as they are; see GroupRule for what differs
// between groups.
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // One update from table.gradients() at the learning rate lr(). Nothing is read on the host, so a
  // step may be recorded.
  void step() { step(device_lr_); }
  // The same at an lr of the caller's: (1) in device memory, in the parameters' dtype. A schedule
  // writes it there between two replays of a recorded step.
  // Where `when` (1), f32 in device memory, is defined and 0, nothing is changed: no parameter, and
  // nothing of state().
  void step(const Tensor& lr, const Tensor& when = {});

  double lr() const { return lr_; }
  void set_lr(double lr);  // ValueError for one that is negative or not finite

  // The next backward overwrites the gradients instead of adding to them.
  void zero_grad() { table_.clear_grads(); }

  // What a checkpoint must hold beside the parameters; assigning to a tensor restores it. Those of
  // the table's shape (P) hold a value for each parameter.
  virtual std::vector<NamedBuffer> state() const = 0;

 protected:
  // What kernels read in device memory beside a group's buffers.
  struct StepInputs {
    const Tensor& lr;         // (1)
    const Tensor& trainable;  // see GroupState
    const Tensor& when;       // see step()
  };

  // The table outlives the optimiser.
  Optimizer(ParameterTable& table, double lr);

  const ParameterTable& table() const { return table_; }
  Tensor zeros_like_table() const;  // (P)

 private:
  struct GroupState {
    Tensor constant_lr;  // (1), where the group has one
    // (S): 0 for an entry without gradient, else 1; undefined where all are 1.
    Tensor trainable;
  };

  virtual void begin_step(const Tensor& /*when*/) {}
  virtual void update(const ParameterTable::Group& group, const Tensor& gradients, const StepInputs& inputs) = 0;

  ParameterTable& table_;
  std::vector<GroupState> groups_;
  double lr_ = 0;
  Tensor device_lr_;  // (1), lr_ where kernels read it
};

}  // namespace mec
