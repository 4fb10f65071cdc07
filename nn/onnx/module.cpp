#include <onnx/checker.h>
#include <onnx/onnx_pb.h>

#include <exception>
#include <string>

#include "mec/nn/onnx/functions.h"
#include "mec/tensor/error.h"

namespace mec {

namespace {

void set(onnx::AttributeProto& to, const OnnxAttribute& from) {
  to.set_name(from.name);
  if (const auto* number = std::get_if<std::int64_t>(&from.value)) {
    to.set_type(onnx::AttributeProto::INT);
    to.set_i(*number);
  } else if (const auto* real = std::get_if<float>(&from.value)) {
    to.set_type(onnx::AttributeProto::FLOAT);
    to.set_f(*real);
  } else {
    to.set_type(onnx::AttributeProto::INTS);
    for (const std::int64_t each : std::get<std::vector<std::int64_t>>(from.value)) to.add_ints(each);
  }
}

void set(onnx::ValueInfoProto& to, const OnnxValue& from) {
  to.set_name(from.name);
  onnx::TypeProto::Tensor& type = *to.mutable_type()->mutable_tensor_type();
  type.set_elem_type(from.bytes ? onnx::TensorProto::UINT8 : onnx::TensorProto::FLOAT);
  for (const auto& size : from.sizes) {
    auto& dim = *type.mutable_shape()->add_dim();
    if (const auto* number = std::get_if<std::int64_t>(&size)) dim.set_dim_value(*number);
    else dim.set_dim_param(std::get<std::string>(size));
  }
}

onnx::ModelProto to_model(const OnnxGraph& graph) {
  onnx::ModelProto model;
  model.set_ir_version(kOnnxIr);
  model.add_opset_import()->set_version(kOnnxOpset);
  model.set_producer_name("mec");
  model.set_producer_version(MEC_VERSION);
  model.set_doc_string(graph.about);
  for (const auto& [key, value] : graph.metadata) {
    auto& entry = *model.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  }
  onnx::GraphProto& to = *model.mutable_graph();
  to.set_name(graph.name);
  set(*to.add_input(), graph.input);
  set(*to.add_output(), graph.output);
  for (const OnnxNode& node : graph.nodes) {
    onnx::NodeProto& made = *to.add_node();
    made.set_op_type(node.op);
    made.set_name(node.output);
    for (const std::string& input : node.inputs) made.add_input(input);
    made.add_output(node.output);
    for (const OnnxAttribute& attribute : node.attributes) set(*made.add_attribute(), attribute);
  }
  for (const OnnxTensor& tensor : graph.tensors) {
    onnx::TensorProto& made = *to.add_initializer();
    made.set_name(tensor.name);
    made.set_data_type(onnx::TensorProto::FLOAT);
    for (const std::int64_t size : tensor.sizes) made.add_dims(size);
    // Little-endian, as are all processors that mec is built for.
    made.set_raw_data(tensor.values.data(), tensor.values.size() * sizeof(float));
  }
  return model;
}

}  // namespace

}  // namespace mec

extern "C" __attribute__((visibility("default"))) const char* mec_serialize_onnx_2(
    const mec::OnnxGraph* graph, const char* build, void (*take)(void*, const char*, std::size_t), void* to) {
  thread_local std::string failure;
  try {
    if (std::string(build) != mec::kOnnxBuild) {
      failure = mec::concat("mec_onnx.so is of build ", mec::kOnnxBuild, ", but the program is of build ", build,
                            "; install program and module from one build");
      return failure.c_str();
    }
    const onnx::ModelProto model = mec::to_model(*graph);
    onnx::checker::check_model(model);
    std::string bytes;
    if (!model.SerializeToString(&bytes)) return "protobuf cannot serialise the model";
    take(to, bytes.data(), bytes.size());
    return nullptr;
  } catch (const std::exception& error) {
    failure = error.what();
    return failure.c_str();
  }
}
