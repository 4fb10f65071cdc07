#include "mec/tensor/backends/wrappers/forwarding.h"

#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "mec/tensor/backends/wrappers/kernel_members.h"

namespace mec {
namespace {

// A copy of a kernel that owns what its spans point to.
template <class K> class KeptKernel {
 public:
  explicit KeptKernel(const K& k) : kernel_(k) {
    with_members(kernel_, [this](auto&... members) { (this->keep(members), ...); });
  }
  const K& operator*() const { return kernel_; }

 private:
  template <class T> void keep(T&) {}
  template <class T> void keep(std::span<const T>& span) {
    const auto copy = std::make_shared<std::vector<T>>(span.begin(), span.end());
    span = *copy;
    kept_.push_back(copy);
  }

  K kernel_;
  std::vector<std::shared_ptr<void>> kept_;
};

// A list of x, or an empty one where x is not given.
template <class T> std::vector<T> if_given(const T& x) { return x.data ? std::vector<T>{x} : std::vector<T>{}; }

}  // namespace

template <class K> void ForwardingBackend::forward(const K& k) {
  KernelCall call{.name = K::name, .inputs = {}, .outputs = {}, .run = {}, .type = &typeid(K), .arguments = &k};
  const auto add = [&call]<class T>(const T& member) {
    if constexpr (std::is_same_v<T, Out>) {
      if (member.data) call.outputs.push_back(member);
    } else if constexpr (std::is_same_v<T, In>) {
      if (member.data) call.inputs.push_back(member);
    } else if constexpr (std::is_same_v<T, std::span<const In>>) {
      call.inputs.insert(call.inputs.end(), member.begin(), member.end());
    }
  };
  with_members(k, [&](const auto&... members) { (add(members), ...); });
  if constexpr (requires { k.flops(); }) call.flops = k.flops();
  call.run = [device = inner_.get(), kept = KeptKernel<K>(k)] { device->run(*kept); };
  on_call(std::move(call));
}

// The one run() that KernelsOf finds for every kernel.
template <class K> void run(ForwardingBackend& device, const K& k) { device.forward(k); }

namespace {

template <class... Fs> Families<Fs...> forwarding_kernels(const Families<Fs...>*) {
  return {KernelsOf<ForwardingBackend, Fs>::table...};
}

}  // namespace

ForwardingBackend::ForwardingBackend(Device inner)
    : Backend(forwarding_kernels(static_cast<const Kernels*>(nullptr))), inner_(std::move(inner)) {}

const ViewKernels* ForwardingBackend::view_kernels() const {
  return inner_->view_kernels() ? &KernelsOf<ForwardingBackend, ViewKernels>::table : nullptr;
}

void ForwardingBackend::upload(const void* host, Out y) {
  on_call({.name = "upload", .inputs = {}, .outputs = if_given(y), .run = [=, this] { inner_->upload(host, y); }});
}

void ForwardingBackend::download(In x, void* host) {
  on_call({.name = "download", .inputs = if_given(x), .outputs = {}, .run = [=, this] { inner_->download(x, host); }});
}

}  // namespace mec
