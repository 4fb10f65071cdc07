#include "mec/nn/module.h"

#include <limits>

namespace mec {

namespace {

struct Collector : Visitor {
  void parameter(const std::string& name, Parameter& parameter) override { parameters.push_back({name, parameter}); }
  void buffer(const std::string& name, Tensor& buffer) override { buffers.push_back({name, buffer}); }

  std::vector<NamedParameter> parameters;
  std::vector<NamedBuffer> buffers;
};

Collector collect(Module& module, const std::string& prefix) {
  Collector collector;
  module.visit(prefix, collector);
  return collector;
}

template <class Entry> void check_same_names(const std::vector<Entry>& source, const std::vector<Entry>& target) {
  check<ValueError>(source.size() == target.size(), "copy_state: the source has ", source.size(), " entries, the target ",
                    target.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    check<ValueError>(source[i].name == target[i].name, "copy_state: entry ", i, " is ", source[i].name, " in the source, but ",
                      target[i].name, " in the target");
  }
}

}  // namespace

Parameter make_parameter(const Shape& shape, const Placement& where, ParameterKind kind, const Initializer& init) {
  const bool constant = init.kind == Initializer::Kind::constant;
  const double value = constant ? init.value : std::numeric_limits<double>::quiet_NaN();
  return {.value = Variable(Tensor::full(shape, value, where.dtype, where.device), true), .kind = kind, .init = init};
}

std::vector<NamedParameter> parameters_of(Module& module, const std::string& prefix) {
  return collect(module, prefix).parameters;
}

std::vector<NamedBuffer> buffers_of(Module& module, const std::string& prefix) { return collect(module, prefix).buffers; }

void freeze(Module& module) {
  for (auto& [name, parameter] : parameters_of(module)) parameter.value.set_requires_grad(false);
}

void copy_state(Module& source, Module& target) {
  const Collector from = collect(source, "");
  Collector to = collect(target, "");
  check_same_names(from.parameters, to.parameters);
  check_same_names(from.buffers, to.buffers);
  for (std::size_t i = 0; i < from.parameters.size(); ++i) {
    to.parameters[i].parameter.value.assign(from.parameters[i].parameter.value.data());
  }
  for (std::size_t i = 0; i < from.buffers.size(); ++i) to.buffers[i].tensor.copy_from(from.buffers[i].tensor);
}

}  // namespace mec
