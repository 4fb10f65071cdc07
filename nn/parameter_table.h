// One flat buffer for all parameters of a module and one for their gradients: an update is then one
// pass over memory, however many layers there are.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mec/nn/module.h"

namespace mec {

// A set of parameters and how the optimiser treats it.
struct GroupRule {
  std::string name = "all";
  std::string prefix = {};                // of the parameters' names; empty: any
  std::vector<ParameterKind> kinds = {};  // empty: any
  double lr_factor = 1.0;                 // multiplies the learning rate
  double weight_decay = 0.0;
  bool lars = true;                        // false: plain SGD even where LARS is on
  std::optional<double> constant_lr = {};  // instead of the schedule's (SimSiam's predictor)

  bool matches(const std::string& parameter_name, ParameterKind kind) const;
};

class ParameterTable {
 public:
  struct Entry {
    std::string name;
    Shape shape;
    std::int64_t offset;  // in elements, from the start of the flat buffer
    Variable variable;
  };
  struct Group {
    GroupRule rule;
    std::int64_t begin, end;              // elements of the flat buffer
    std::size_t first_entry, last_entry;  // [first, last) of entries()
    // (S+1) i64 for S entries: their bounds, in elements from `begin`. Undefined in an empty group.
    Tensor offsets;

    Tensor of(const Tensor& flat) const { return flat.segment(begin, {end - begin}); }
  };

  // Each parameter belongs to the first rule that matches it; a group's parameters lie together in
  // the module's order, each on a 64-byte boundary, with zeros between. The module's variables
  // become views of the buffers; they keep their values. A module belongs to one table at a time.
  // ValueError for a parameter without a rule, DtypeError for parameters of two dtypes.
  explicit ParameterTable(Module& module, const std::vector<GroupRule>& rules = {GroupRule{}});
  ParameterTable(const ParameterTable&) = delete;
  ParameterTable& operator=(const ParameterTable&) = delete;

  const std::vector<Entry>& entries() const { return entries_; }
  const std::vector<Group>& groups() const { return groups_; }

  const Tensor& values() const { return values_; }  // (P)
  // (P). Parameters that no backward has reached since clear_grads() get zeros. ValueError where no
  // parameter requires a gradient.
  const Tensor& gradients() const;
  void clear_grads();

 private:
  void add_group(const GroupRule& rule, std::vector<NamedParameter>& members);

  std::vector<Entry> entries_;
  std::vector<Group> groups_;
  Tensor values_, gradients_;
};

}  // namespace mec
