#include "mec/nn/ema.h"

#include "mec/tensor/ops/optimizer.h"

namespace mec {

namespace {

void check_prefix(const ParameterTable& teacher, const ParameterTable& online, std::size_t g) {
  const auto& t = teacher.groups()[g];
  const auto& o = online.groups()[g];
  for (std::size_t i = t.first_entry, j = o.first_entry; i < t.last_entry; ++i, ++j) {
    const auto& entry = teacher.entries()[i];
    check<ValueError>(j < o.last_entry, "Ema: the teacher's ", entry.name, " has no counterpart in group '", o.rule.name,
                      "' of the online network");
    const auto& source = online.entries()[j];
    check<ValueError>(entry.name == source.name && entry.shape == source.shape, "Ema: the teacher's ", entry.name, " ",
                      entry.shape, " meets ", source.name, " ", source.shape, " in group '", o.rule.name,
                      "'; visit what only the online network has last");
  }
}

}  // namespace

Ema::Ema(ParameterTable& teacher, const ParameterTable& online) : teacher_(teacher) {
  check<ValueError>(teacher.groups().size() == online.groups().size(), "Ema: the teacher has ", teacher.groups().size(),
                    " groups, the online network ", online.groups().size(), "; make both tables with the same rules");
  for (std::size_t g = 0; g < teacher.groups().size(); ++g) {
    check_prefix(teacher, online, g);
    const auto& group = teacher.groups()[g];
    if (group.begin == group.end) continue;
    ranges_.emplace_back(group.of(teacher.values()),
                         online.values().segment(online.groups()[g].begin, {group.end - group.begin}));
  }
}

void Ema::update(const Tensor& coefficient, const Tensor& when) {
  const Dtype dtype = teacher_.values().dtype();
  check<DtypeError>(coefficient.dtype() == dtype, "Ema: the coefficient must be ", dtype, " like the parameters, but is ",
                    coefficient.dtype());
  for (const auto& [teacher, online] : ranges_) ema_update(teacher, online, coefficient, when);
}

}  // namespace mec
