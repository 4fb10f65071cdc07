#include "mec/distributed/communicator.h"

#include <vector>

#include "mec/tensor/devices.h"

namespace mec {

namespace {

class OneProcess : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  bool capturable(const Device&) const override { return true; }
  Tensor all_gather(const Tensor& own) override { return own; }
  void broadcast(const Tensor&) override {}
  std::int64_t broadcast(std::int64_t number) override { return number; }
  double maximum(double value) override { return value; }
  CommunicatorPtr split(int) override { return one_process(); }
  void end_all(int) override {}

 protected:
  void reduce(const Tensor&) override {}
};

void check_dtype(const char* op, const Tensor& t) {
  check<DtypeError>(t.dtype() == Dtype::f32 || t.dtype() == Dtype::f64, op, ": sums f32 or f64, but the tensor is ", t.dtype());
}

}  // namespace

std::string Communicator::broadcast(const std::string& text) {
  const std::int64_t length = broadcast(static_cast<std::int64_t>(text.size()));
  std::string padded = text;
  padded.resize(static_cast<std::size_t>(length));
  const Tensor bytes = Tensor::from_bytes(padded.data(), {length}, Dtype::u8, make_cpu_device({.threads = 1}));
  broadcast(bytes);
  bytes.download(padded.data());
  return padded;
}

void Communicator::all_reduce(const Tensor& t) {
  check_dtype("all_reduce", t);
  if (t.numel() > 0) reduce(t);
}

void Communicator::begin_sum(const Tensor& t) {
  check_dtype("begin_sum", t);
  if (t.numel() > 0) begin_reduce(t);
}

Tensor Communicator::make_gathered(const Tensor& own) const {
  check<ShapeError>(own.rank() >= 1, "all_gather: a tensor has rows, but this one is ", own.shape());
  std::vector<std::int64_t> dims;
  for (int i = 0; i < own.rank(); ++i) dims.push_back(own.dim(i));
  dims[0] *= size();
  return Tensor(Shape(dims), own.dtype(), own.device());
}

CommunicatorPtr one_process() { return std::make_shared<OneProcess>(); }

}  // namespace mec
