// What all optimisers share: one pass over each group of a parameter table.
#pragma once

#include <vector>

#include "mec/nn/parameter_table.h"

namespace mec {

// Parameters that do not require a gradient stay as they are; see GroupRule for what differs between groups.
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // One update from table.gradients(); rate (1) lies in device memory, in the parameters' dtype. Nothing is read on the host: recordable.
  void step(const Tensor& rate);

  // What a checkpoint must hold beside the parameters; assigning to a tensor restores it. Those of the table's shape (P) hold a value
  // for each parameter.
  virtual std::vector<NamedBuffer> state() const = 0;

 protected:
  // The table outlives the optimiser.
  explicit Optimizer(ParameterTable& table);

  const ParameterTable& table() const { return table_; }
  Tensor zeros_like_table() const;  // (P)

 private:
  struct GroupState {
    Tensor constant_rate;  // (1), where the group has one
    Tensor trainable;      // (S): 0 for an entry without gradient, else 1; undefined where all are 1
  };

  virtual void begin_step() {}
  // trainable: as above.
  virtual void update(const ParameterTable::Group& group, const Tensor& gradients, const Tensor& rate,
                      const Tensor& trainable) = 0;

  ParameterTable& table_;
  std::vector<GroupState> groups_;
};

}  // namespace mec
