// What several calls of the C interface take and give.
#pragma once

#include <functional>
#include <string>

#include "mec/capi/calls.h"
#include "mec/data/image_array.h"
#include "mec/ssl/methods/objective.h"
#include "mec/tensor/tensor.h"

namespace mec::capi {

struct OpenedDevice {
  Device device;
  std::string computed_on;          // describe_arithmetic()
  std::function<Device()> another;  // such a device: each handle has its own
};
// note: is told of threads that cannot be had.
OpenedDevice open_device(const mec_device* device, std::function<void(const std::string&)> note = {});

// The text; ValueError under `what` where it is null.
std::string text_of(const char* text, const char* what);

// DtypeError, which names what is taken instead, unless pixels are bytes.
ImageArray bytes_of(const mec_images& images, const char* instead);

// Fills figures, which may be null, with what lies there until this thread is given others. Not
// with what belongs to a handle: other threads' calls on it would free what is being read.
void give(Metrics metrics, mec_figures* figures);

}  // namespace mec::capi
