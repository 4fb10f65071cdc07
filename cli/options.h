// Options that several subcommands share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mec/cli/arguments.h"
#include "mec/data/dataset.h"
#include "mec/eval/features.h"
#include "mec/tensor/devices.h"

namespace mec::cli {

struct DeviceOptions {
  std::string device = "cpu";
  int threads = 0;
  int gpu = 0;  // with device = "cuda"
  std::string kernels = "auto";
  bool tf32 = false;
  bool tune = false;
  bool nondeterministic = false;

  // plan_file: see CudaOptions; notes go to stderr.
  Device make(const std::string& plan_file = {}) const;
  std::string arithmetic() const;  // of that device: describe_arithmetic()

 private:
  CpuOptions cpu() const;
  CudaOptions cuda() const;
};
// --device, --threads, …, --nondeterministic.
void add_device_options(Command command, DeviceOptions& options);

// --set K=V, for the settings of a run; UsageError unless there is a key and a value.
Option add_set_option(Command command, std::vector<std::string>& assignments, const std::string& help);

void add_no_graph_option(Command command, bool& no_graph);  // --no-graph

void add_precision_option(Command command, std::string& precision);  // --precision, of an encoder

// "f32" or "bf16"; ValueError for another word or what the device does not compute in.
Dtype parse_precision(const std::string& name, const Device& device);

// Which images to evaluate on. Where something is left out, the run's settings apply.
struct DataOptions {
  std::optional<std::string> path = {}, kind = {};
  std::int64_t limit = 0;
  int workers = 1;
  std::int64_t batch = 256;
  bool exif_orientation = false;

  StreamOptions stream(const CommunicatorPtr& ranks = one_process()) const {
    return {.batch = batch, .workers = workers, .ranks = ranks};
  }
};
void add_data_options(Command command, DataOptions& options);  // --data, …, --exif-orientation

}  // namespace mec::cli
