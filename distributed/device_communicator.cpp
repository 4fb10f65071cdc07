#include "mec/distributed/device_communicator.h"

#include <memory>
#include <utility>

#include "mec/tensor/backend.h"

namespace mec {

namespace {

class DeviceCommunicator : public Communicator {
 public:
  // Returns when all ranks of `hosts` have come.
  DeviceCommunicator(CommunicatorPtr hosts, Device device, std::unique_ptr<Collectives> collectives,
                     DeviceCommunicatorOptions options)
      : hosts_(std::move(hosts)),
        device_(std::move(device)),
        options_(std::move(options)),
        collectives_(std::move(collectives)) {
    collectives_->join({.rank = rank(),
                        .size = size(),
                        .meeting_point = hosts_->broadcast(rank() == 0 ? collectives_->meeting_point() : std::string()),
                        .patience = options_.patience,
                        .on_failure = options_.on_failure});
  }

  int rank() const override { return hosts_->rank(); }
  int size() const override { return hosts_->size(); }
  std::string library(const Device& device) const override { return device == device_ ? collectives_->library() : ""; }
  bool capturable(const Device& device) const override { return device == device_; }

  Tensor all_gather(const Tensor& own) override {
    if (own.device() != device_) return hosts_->all_gather(own);
    const Tensor all = make_gathered(own);
    if (own.numel() > 0) collectives_->all_gather(own, all.out());
    return all;
  }
  void broadcast(const Tensor& t) override {
    if (t.device() != device_) return hosts_->broadcast(t);
    if (t.numel() > 0) collectives_->broadcast(t.out());
  }
  std::int64_t broadcast(std::int64_t number) override { return hosts_->broadcast(number); }
  // The loop asks this once a step, between two of them.
  double maximum(double value) override {
    collectives_->watch();
    return hosts_->maximum(value);
  }
  CommunicatorPtr split(int group) override {
    return std::make_shared<DeviceCommunicator>(hosts_->split(group), device_, device_->make_collectives(), options_);
  }
  void end_all(int status) override { hosts_->end_all(status); }

 protected:
  void reduce(const Tensor& t) override {
    if (t.device() != device_) return hosts_->all_reduce(t);
    collectives_->all_reduce(t.out());
  }

 private:
  CommunicatorPtr hosts_;
  Device device_;
  DeviceCommunicatorOptions options_;
  std::unique_ptr<Collectives> collectives_;  // goes before its device
};

}  // namespace

CommunicatorPtr between_devices(const CommunicatorPtr& hosts, const Device& device, const DeviceCommunicatorOptions& options) {
  if (hosts->size() == 1) return hosts;
  std::unique_ptr<Collectives> collectives;
  std::string why_not;
  try {
    collectives = device->make_collectives();
  } catch (const DeviceError& error) {
    why_not = error.what();
  }
  if (hosts->maximum(collectives ? 0 : 1) > 0) {
    // Where only another rank lacks it, this one does not know why.
    if (options.note && !device->host_readable())
      options.note(concat("tensors of all processes go by way of the host",
                          why_not.empty() ? ", since one process has no library for it" : ": " + why_not));
    return hosts;
  }
  return std::make_shared<DeviceCommunicator>(hosts, device, std::move(collectives), options);
}

}  // namespace mec
