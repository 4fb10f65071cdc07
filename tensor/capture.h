// What a device may offer to a loop that runs the same step again and again: to keep the step's
// kernels, and to read results late.
#pragma once

#include <cstddef>

namespace mec {

// The kernels of one step. Between begin() and end() they are kept with their arguments and not
// run; replay() starts all of them, in that order. What changes from one replay to the next lies in
// tensors that live before begin(); results lie in tensors that live on after end(). The memory of
// all others is used by nothing else for as long as the Capture lives.
//
// A step that is captured has run before, so that its memory, plans and workspaces are there:
// within it, a request for a further segment of memory is a MemoryError, and uploading or reading a
// tensor is an error too.
class Capture {
 public:
  // Also in the midst of a step: nothing of it is kept, and the device runs kernels at once again.
  virtual ~Capture() = default;
  virtual void begin() = 0;
  virtual void end() = 0;
  virtual void replay() = 0;
};

// A tensor's values on their way to the host.
class HostCopy {
 public:
  virtual ~HostCopy() = default;
  virtual void wait(void* host) = 0;  // until they are there, and hands them over; once
};

}  // namespace mec
