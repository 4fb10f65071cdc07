// What a device does together with those of other processes (its peers), where it has means of its
// own for that, as GPUs have.
#pragma once

#include <functional>
#include <string>

#include "mec/tensor/in_out.h"

namespace mec {

// Each of `size` processes makes one, joins it, and destroys it where all do; between, all make the
// same calls in the same order, with as many bytes. Calls are started in the order of the device's
// other work (but for begun sums, which go on beside it), not waited for, and may be captured
// (capture.h).
class Collectives {
 public:
  virtual ~Collectives() = default;

  virtual std::string library() const = 0;  // what it runs on, with its version
  // Rank 0's goes to all ranks, which find each other by it.
  virtual std::string unique_id() = 0;

  struct Membership {
    int rank = 0, size = 1;
    std::string unique_id;
    double patience = 1800;  // seconds
    // Is called once, from a thread of its own, where a peer is gone, or has kept this one waiting
    // for `patience` seconds: the device's results mean nothing then, and another thread may wait
    // for ever. It should end the process, and does not throw.
    std::function<void(const std::string& why)> on_failure;
  };
  // Returns when all have come. DeviceError where they cannot join.
  virtual void join(const Membership& membership) = 0;

  virtual void all_gather(In own, Out all) = 0;  // rank 0's first
  virtual void all_reduce(Out t) = 0;            // ← Σ over ranks; f32 or f64
  virtual void broadcast(Out t) = 0;             // ← rank 0's
  // As all_reduce(), beside the device's other work, which does not touch t before finish_sums().
  virtual void begin_sum(Out t) = 0;
  virtual void finish_sums() = 0;
  // Calls that were captured are replayed now: they, too, are waited for no longer than `patience`.
  virtual void watch() = 0;
};

}  // namespace mec
