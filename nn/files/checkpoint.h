// Writes named tensors to a safetensors file and reads them back, bit for bit: what checkpoints are
// made of.
//
// Convolution weights, and what an optimiser keeps for them, stand in the file as in PyTorch
// (O,I,H,W).
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "mec/nn/optim/optimizer.h"
#include "mec/tensor/io/safetensors.h"

namespace mec {

struct StateTensor {
  std::string name;
  Tensor tensor;                   // restoring writes into it
  std::int64_t file_channels = 0;  // see Parameter
};
using State = std::vector<StateTensor>;

// Parameters and buffers of the module, each name preceded by `prefix`.
State state_of(Module& module, const std::string& prefix);
// What the optimiser keeps, for each parameter of the module that `table` was made of
// ("momentum.encoder.conv1.weight") or for all.
State state_of(const Optimizer& optimizer, const ParameterTable& table, Module& module);

// The same on a device whose memory the host reads. Waits for the state's device. Further copies
// to the same one reuse the memory of those that are gone: fresh pages cost more than the copy.
State copy_to_host(const State& state, const Device& host);

// Replaces the file atomically. The metadata also gets a checksum of each tensor and one of the
// whole content. Where `state` is a copy's only handle, its memory is freed as the file's form is
// made: both together take no more than the state and its largest tensor.
void save_state(const std::filesystem::path& path, State state, const std::map<std::string, std::string>& metadata);
// The file, read into the host's memory. IoError where it is missing, cut short, damaged by one
// byte (it names the tensor), or not made by save_state(), or where a value is one that no network
// can have (weight_values.h).
SafetensorsFile load_state(const std::filesystem::path& path);
// The findings as one line for an error message: the first three, and how many more there are.
std::string first_few(const std::vector<std::string>& findings);
// Fills every tensor. IoError, naming `file`, where names, shapes or dtypes are not exactly those
// of `state`; then nothing has been changed.
void restore_state(const SafetensorsFile& content, const std::string& file, const State& state);

}  // namespace mec
