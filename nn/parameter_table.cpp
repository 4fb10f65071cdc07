#include "mec/nn/parameter_table.h"

#include <algorithm>

namespace mec {

namespace {

// An entry's size is rounded up to a multiple of this many elements: 64 bytes of bf16, and so a
// multiple of 64 bytes in f32 and f64.
constexpr std::int64_t kAlignment = 32;

std::int64_t aligned(std::int64_t elements) { return (elements + kAlignment - 1) / kAlignment * kAlignment; }

std::size_t group_of(const NamedParameter& p, const std::vector<GroupRule>& rules) {
  const auto rule = std::ranges::find_if(rules, [&](const GroupRule& r) { return r.matches(p.name, p.parameter.kind); });
  check<ValueError>(rule != rules.end(), "ParameterTable: no group takes ", p.name,
                    "; end the list with a rule that has neither prefix nor kinds");
  return static_cast<std::size_t>(rule - rules.begin());
}

}  // namespace

bool GroupRule::matches(const std::string& parameter_name, ParameterKind kind) const {
  return parameter_name.starts_with(prefix) && (kinds.empty() || std::ranges::find(kinds, kind) != kinds.end());
}

ParameterTable::ParameterTable(Module& module, const std::vector<GroupRule>& rules) {
  std::vector<std::vector<NamedParameter>> members(rules.size());
  for (const NamedParameter& p : parameters_of(module)) members[group_of(p, rules)].push_back(p);
  for (std::size_t g = 0; g < rules.size(); ++g) add_group(rules[g], members[g]);
  check<ValueError>(!entries_.empty(), "ParameterTable: the module has no parameters");

  const Tensor& first = entries_.front().variable.data();
  const Shape flat{groups_.back().end};
  values_ = Tensor::zeros(flat, first.dtype(), first.device());
  for (const Entry& entry : entries_) {
    check<DtypeError>(entry.variable.data().dtype() == first.dtype(), "ParameterTable: ", entries_.front().name, " is ",
                      first.dtype(), ", but ", entry.name, " is ", entry.variable.data().dtype());
    if (entry.variable.requires_grad() && !gradients_) gradients_ = Tensor::zeros(flat, first.dtype(), first.device());
  }
  for (Entry& entry : entries_) {
    const Tensor place = values_.segment(entry.offset, entry.shape);
    place.copy_from(entry.variable.data());
    entry.variable.set_data(place);
    if (entry.variable.requires_grad()) entry.variable.set_grad_buffer(gradients_.segment(entry.offset, entry.shape));
  }
}

void ParameterTable::add_group(const GroupRule& rule, std::vector<NamedParameter>& members) {
  const std::int64_t begin = groups_.empty() ? 0 : groups_.back().end;
  Group group{.rule = rule, .begin = begin, .end = begin, .first_entry = entries_.size(), .last_entry = 0, .offsets = {}};
  std::vector<std::int64_t> offsets{0};
  for (const NamedParameter& p : members) {
    entries_.push_back({p.name, p.parameter.value.shape(), group.end, p.parameter.value});
    group.end += aligned(p.parameter.value.data().numel());
    offsets.push_back(group.end - begin);
  }
  group.last_entry = entries_.size();
  if (!members.empty()) {
    group.offsets =
        Tensor::from(offsets, {static_cast<std::int64_t>(offsets.size())}, members[0].parameter.value.data().device());
  }
  groups_.push_back(std::move(group));
}

const Tensor& ParameterTable::gradients() const {
  check<ValueError>(static_cast<bool>(gradients_), "ParameterTable: no parameter requires a gradient");
  for (const Entry& entry : entries_) {
    if (!entry.variable.grad()) gradients_.segment(entry.offset, entry.shape).fill(0.0);
  }
  return gradients_;
}

void ParameterTable::clear_grads() {
  for (Entry& entry : entries_) entry.variable.clear_grad();
}

}  // namespace mec
