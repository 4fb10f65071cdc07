// What a device may offer to a loop that repeats one step: to record the step's kernels once, and
// to read results without waiting for later work.
#pragma once

#include <cstddef>

namespace mec {

// The kernels of one step. Between begin() and end() they are recorded with their arguments and not
// run; replay() starts all of them, in that order. What changes from one replay to the next lies in
// tensors that live before begin(); results lie in tensors that live on after end(). The memory of
// all other tensors of the step is used by nothing else for as long as the Capture lives.
//
// A step must have run once before it is captured, so that its memory, plans and workspaces exist.
// Between begin() and end() a request for a further segment of memory is a MemoryError, and
// uploading or reading a tensor is an error too.
class Capture {
 public:
  // May run between begin() and end(): the recording is then dropped, and the device runs kernels
  // at once again.
  virtual ~Capture() = default;
  virtual void begin() = 0;
  virtual void end() = 0;
  virtual void replay() = 0;
};

// A tensor's values on their way to the host.
class HostCopy {
 public:
  virtual ~HostCopy() = default;
  virtual void wait(void* host) = 0;  // waits for the values and copies them to `host`; once only
};

}  // namespace mec
