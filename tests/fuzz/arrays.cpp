// Arrays, weights and checkpoints.
#include "fuzz/targets.h"
#include "mec/nn/files/foreign_encoder.h"
#include "mec/nn/files/weights.h"
#include "mec/nn/files/weights_info.h"
#include "mec/nn/linear.h"
#include "mec/ssl/training/checkpoint.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/io/npy.h"

namespace mec::fuzz {
namespace {

const Device& host() {
  static const Device device = make_reference_device();
  return device;
}

}  // namespace

void npy(Bytes bytes) { read_npy(put("array.npy", bytes), host()); }

void safetensors(Bytes bytes) {
  SafetensorsReader reader(put("file.safetensors", bytes));
  for (const SafetensorsEntry& entry : reader.entries()) {
    try {
      shape_text(entry);
      reader.read(entry, host());
    } catch (const Error&) {  // of one tensor; the others are read all the same
    }
  }
}

// Weights for a layer of three inputs and two outputs, the encoder that they may be, and what the
// file says of itself.
void weights(Bytes bytes) {
  const auto path = put("weights.safetensors", bytes);
  Linear layer({.in = 3, .out = 2}, host());
  try {
    load_weights(path, layer);
  } catch (const Error&) {
  }
  try {
    find_encoder(SafetensorsReader(path));
  } catch (const Error&) {
  }
  read_weights_info(path);
}

// Nobody guesses checksums: where the file is a safetensors file, its content is written again with
// checksums that fit, and that file is read.
void checkpoint(Bytes bytes) {
  const auto path = put("checkpoint.safetensors", bytes);
  try {
    Checkpoint as_it_is(path);
  } catch (const Error&) {
  }
  SafetensorsFile content = read_safetensors(path, host());
  State state;
  for (const NamedTensor& named : content.tensors) state.push_back({named.name, named.tensor});
  save_state(path, state, content.metadata);
  try {
    Checkpoint of_a_run(path);
  } catch (const Error&) {
  }
  const State wanted{{"online.weight", Tensor({2, 3}, Dtype::f32, host())},
                     {"online.steps", Tensor({}, Dtype::i64, host())},
                     {"momentum.weight", Tensor({2, 1, 1, 4}, Dtype::f32, host()), 3}};
  restore_state(load_state(path), path.string(), wanted);
}

}  // namespace mec::fuzz
