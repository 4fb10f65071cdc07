// A communicator whose tensors do not leave the devices.
#pragma once

#include <functional>
#include <string>

#include "mec/distributed/communicator.h"

namespace mec {

struct DeviceCommunicatorOptions {
  double patience = 1800;  // seconds that the device waits for those of other ranks
  // Is called where it waited longer, or another rank is gone, from a thread of its own while this
  // one may be waiting: it should end all ranks. See Collectives.
  std::function<void(const std::string& why)> on_failure;
  std::function<void(const std::string&)> note = {};  // is told why tensors go by way of the host
};

// The same ranks as `hosts`. Tensors of `device` go from device to device, and those calls may be
// captured; all else goes by `hosts`. Call it on all ranks, each with a device that no other uses.
// Returns `hosts` where there is one rank, where the device has no means of its own, or where one
// rank lacks their library. It is destroyed where all ranks do so, with the parts that it was split
// into, and waits for them: a rank that fails alone should end the process instead.
CommunicatorPtr between_devices(const CommunicatorPtr& hosts, const Device& device, const DeviceCommunicatorOptions& options);

}  // namespace mec
