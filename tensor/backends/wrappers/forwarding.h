// ForwardingBackend: a device that hands every kernel on to another device, through one function
// that a subclass may override to record, count, time or check it.
#pragma once

#include <functional>
#include <typeinfo>
#include <vector>

#include "mec/tensor/backend.h"
#include "mec/tensor/tensor.h"

namespace mec {

// One call of a kernel, or a copy between host and device ("upload", "download").
struct KernelCall {
  const char* name;
  std::vector<In> inputs;     // the memory it reads
  std::vector<Out> outputs;   // the memory it may write
  double flops = 0;           // of products, convolutions (padding counted) and decompositions
  std::function<void()> run;  // has a copy of the arguments: can run now, later, or again

  // The arguments, where this is a call of K; null otherwise. Valid only while on_call() runs.
  template <class K> const K* as() const { return type && *type == typeid(K) ? static_cast<const K*>(arguments) : nullptr; }
  const std::type_info* type = nullptr;
  const void* arguments = nullptr;
};

class ForwardingBackend : public Backend {
 public:
  explicit ForwardingBackend(Device inner);

  std::string name() const override { return inner_->name(); }
  CachingAllocator& allocator() override { return inner_->allocator(); }
  std::int64_t image_channels(std::int64_t file_channels) const override { return inner_->image_channels(file_channels); }
  bool supports(Dtype dtype) const override { return inner_->supports(dtype); }
  bool host_readable() const override { return inner_->host_readable(); }
  const ViewKernels* view_kernels() const override;
  void synchronize() override { inner_->synchronize(); }
  std::unique_ptr<Collectives> make_collectives() override { return inner_->make_collectives(); }
  void upload(const void* host, Out y) override;
  void download(In x, void* host) override;

 protected:
  virtual void on_call(KernelCall call) { call.run(); }
  const Device& inner() const { return inner_; }

 private:
  template <class K> friend void run(ForwardingBackend& device, const K& k);
  template <class K> void forward(const K& k);

  Device inner_;
};

}  // namespace mec
