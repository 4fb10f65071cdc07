#include "mec/distributed/device_communicator.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "mec/distributed/agreement.h"
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
                        .unique_id = hosts_->broadcast(rank() == 0 ? collectives_->unique_id() : std::string()),
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
  double maximum(double value) override { return hosts_->maximum(value); }
  void after_replay() override { collectives_->watch(); }
  void advance_sums() override { hosts_->advance_sums(); }
  void finish_sums() override {
    collectives_->finish_sums();
    hosts_->finish_sums();
  }
  std::int64_t bytes_of_sum(const Device& device) const override {
    return device == device_ ? kBytesOfSum : hosts_->bytes_of_sum(device);
  }
  CommunicatorPtr split(int group) override {
    parts_.push_back(
        std::make_shared<DeviceCommunicator>(hosts_->split(group), device_, device_->make_collectives(), options_));
    return parts_.back();
  }
  void end_all(int status) override { hosts_->end_all(status); }

 protected:
  void reduce(const Tensor& t) override {
    if (t.device() != device_) return hosts_->all_reduce(t);
    collectives_->all_reduce(t.out());
  }
  void begin_reduce(const Tensor& t) override {
    if (t.device() != device_) return hosts_->begin_sum(t);
    collectives_->begin_sum(t.out());
  }

 private:
  // As PyTorch's DistributedDataParallel: NCCL needs megabytes to use its wires.
  static constexpr std::int64_t kBytesOfSum = std::int64_t{25} << 20;

  CommunicatorPtr hosts_;
  Device device_;
  DeviceCommunicatorOptions options_;
  std::unique_ptr<Collectives> collectives_;  // destroyed before the device, whose stream it uses
  // They live as long as this one: their end waits for other ranks, and one that throws would wait
  // for ranks that wait for it, before its error is told.
  std::vector<CommunicatorPtr> parts_;
};

}  // namespace

CommunicatorPtr between_devices(const CommunicatorPtr& hosts, const Device& device, const DeviceCommunicatorOptions& options) {
  if (hosts->size() == 1) return hosts;
  std::unique_ptr<Collectives> collectives;
  std::string why_not;
  try {
    collectives = device->make_collectives();
    if (!collectives) why_not = concat("device ", device->name(), " has no means of its own");
  } catch (const DeviceError& error) {
    why_not = error.what();
  }
  const std::vector<std::string> reasons = gather_texts(why_not, *hosts);
  const auto lacks = std::ranges::find_if(reasons, [](const std::string& reason) { return !reason.empty(); });
  if (lacks != reasons.end()) {
    if (options.note)
      options.note(concat("tensors go by way of the host, since process ", lacks - reasons.begin(), " says: ", *lacks));
    return hosts;
  }
  return std::make_shared<DeviceCommunicator>(hosts, device, std::move(collectives), options);
}

}  // namespace mec
