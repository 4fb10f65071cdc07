// Communicator: what the processes of one run (its ranks) tell each other.
//
// All ranks make the same calls in the same order, with the same shapes and dtypes. Results are the
// same to the bit on all of them, and the same again when the run is repeated.
#pragma once

#include <memory>
#include <string>

#include "mec/tensor/tensor.h"

namespace mec {

class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;  // in [0, size())
  virtual int size() const = 0;

  // (n,…) of each rank -> (size·n,…), rank 0's rows first. Any dtype.
  virtual Tensor all_gather(const Tensor& own) = 0;
  // t ← Σ over ranks, added in the order of ranks unless a library() does it. f32 or f64;
  // DtypeError otherwise.
  void all_reduce(const Tensor& t);
  // The same, to the same bits, while the caller works on: t lives, and nobody touches it, until
  // finish_sums() returns. Other calls may come between; work that takes long calls advance_sums()
  // now and then. Any number of sums may be under way; those of about bytes_of_sum() are fastest.
  void begin_sum(const Tensor& t);
  virtual void advance_sums() {}
  virtual void finish_sums() {}
  virtual std::int64_t bytes_of_sum(const Device& /*device*/) const { return std::int64_t{1} << 21; }
  // t ← rank 0's. Any dtype.
  virtual void broadcast(const Tensor& t) = 0;
  virtual std::int64_t broadcast(std::int64_t number) = 0;  // rank 0's
  std::string broadcast(const std::string& text);           // rank 0's
  virtual double maximum(double value) = 0;                 // of all ranks

  // What adds up tensors of this device where its order is not that of ranks, as "NCCL 2.28.9".
  virtual std::string library(const Device& /*device*/) const { return ""; }
  // Whether calls with tensors of this device are started in the order of its other work, and so
  // may be captured (tensor/capture.h); others have done their work when they return.
  virtual bool capturable(const Device& /*device*/) const { return false; }
  virtual void after_replay() {}  // of captured calls: where it hangs, that is noticed

  // Of the ranks that give the same number: they alone, in their order.
  virtual std::shared_ptr<Communicator> split(int group) = 0;

  // Ends all ranks at once with this exit status, where this one cannot go on: they would wait for
  // it for ever. Returns where it is the only one.
  virtual void end_all(int status) = 0;

 protected:
  // What all_gather() fills: ShapeError where `own` has no rows.
  Tensor make_gathered(const Tensor& own) const;
  // Of all_reduce() and begin_sum(), for a tensor that is not empty.
  virtual void reduce(const Tensor& t) = 0;
  virtual void begin_reduce(const Tensor& t) { reduce(t); }
};

using CommunicatorPtr = std::shared_ptr<Communicator>;

// The process alone: nothing is copied, nothing waits.
CommunicatorPtr one_process();

}  // namespace mec
