// cuDNN's refusals become errors that say what, why and where; a device is described by JSON.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "cudnn/described_device.h"
#include "mec/tensor/backends/cuda/cudnn/cudnn_graph.h"

using namespace mec;
using namespace mec::test;
using namespace mec::cuda;

TEST_CASE("a call that fails is an error with its expression, cuDNN's reason, file and line") {
  try {
    Descriptor(CUDNN_BACKEND_TENSOR_DESCRIPTOR).finalize();
    FAIL("a tensor without sizes");
  } catch (const CudnnError& error) {
    const std::string what = error.what();
    CAPTURE(what);
    CHECK(what.find("cuDNN: cudnnBackend") == 0);
    CHECK(what.find("CUDNN_STATUS_BAD_PARAM") != std::string::npos);
    CHECK(what.find("(cudnn_graph.cpp:") != std::string::npos);
    CHECK_FALSE(error.unsupported());
  }
}

TEST_CASE("a descriptor moves, and goes away once") {
  Descriptor a = make_convolution({.compute = CUDNN_DATA_FLOAT, .stride = 1, .pad = 0, .dilation = 1});
  const auto handle = a.handle();
  Descriptor b = std::move(a);
  CHECK(b.handle() == handle);
  a = std::move(b);
  CHECK(a.handle() == handle);
  Descriptor& same = a;
  a = std::move(same);
  CHECK(a.handle() == handle);
}

TEST_CASE("an engine that is rebuilt from its choice is the same engine") {
  const DeviceProperties device = described_device("a100");
  const auto tensor = [](std::int64_t id) {
    return make_tensor(
        {.id = id, .type = CUDNN_DATA_FLOAT, .sizes = {8, 64, 14, 14}, .strides = {12544, 1, 896, 64}, .alignment = 16});
  };
  Descriptor operation(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, tensor('x'))
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, tensor('y'))
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
           make_tensor(
               {.id = 'w', .type = CUDNN_DATA_FLOAT, .sizes = {64, 64, 1, 1}, .strides = {64, 1, 64, 64}, .alignment = 16}))
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
           make_convolution({.compute = CUDNN_DATA_FLOAT, .stride = 1, .pad = 0, .dilation = 1}))
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1.0F)
      .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 0.0F)
      .finalize();
  const Descriptor graph = make_operation_graph(operation);
  const auto configs = ask_heuristics(graph, CUDNN_HEUR_MODE_A, device.descriptor());
  REQUIRE(!configs.empty());
  bool knobs = false;
  for (const EngineConfig& config : configs) {
    const EngineConfig again = make_engine_config(graph, config.choice, device.descriptor());
    CHECK(again.choice == config.choice);
    CHECK(again.numerical == config.numerical);
    CHECK(again.descriptor.get(CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE) ==
          config.descriptor.get(CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE));
    knobs = knobs || !config.choice.knobs.empty();
  }
  CHECK(knobs);
}

TEST_CASE("a device is what its description says, and describes itself so") {
  for (const char* name : {"a100", "h100", "h200"}) {
    const DeviceProperties device = described_device(name);
    const auto fields = nlohmann::json::parse(device_json(name));
    CHECK(device.name() == fields.at("deviceName"));
    CHECK(device.multiprocessors() == fields.at("multiProcessorCount"));
    CHECK(nlohmann::json::parse(device.descriptor().get_text(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION)) == fields);
  }
}

TEST_CASE("a description that is none, or lacks a field, is refused") {
  CHECK_THROWS_AS(DeviceProperties::from_json(""), DeviceError);
  CHECK_THROWS_AS(DeviceProperties::from_json("{}"), DeviceError);
  for (const char* field : {"deviceName", "multiProcessorCount", "deviceVer"}) {
    auto fields = nlohmann::json::parse(device_json("h100"));
    fields.erase(field);
    CAPTURE(field);
    CHECK_THROWS_AS(DeviceProperties::from_json(fields.dump()), DeviceError);
  }
}
