#include "mec/tensor/backend.h"

#include <cstring>
#include <vector>

namespace mec {

namespace {

class ReadAtOnce final : public HostCopy {
 public:
  explicit ReadAtOnce(std::size_t bytes) : values_(bytes) {}
  std::byte* data() { return values_.data(); }
  void wait(void* host) override { std::memcpy(host, values_.data(), values_.size()); }

 private:
  std::vector<std::byte> values_;
};

}  // namespace

// Defaults, for a device without a queue and without kernels for views. Out of line: an inline body
// could be emitted from an AVX-512 object file and run on an older CPU.
void Backend::synchronize() {}
const ViewKernels* Backend::view_kernels() const { return nullptr; }
bool Backend::host_readable() const { return false; }
std::unique_ptr<Capture> Backend::make_capture() { return nullptr; }
std::unique_ptr<Collectives> Backend::make_collectives() { return nullptr; }

std::unique_ptr<HostCopy> Backend::read_later(In x) {
  auto copy = std::make_unique<ReadAtOnce>(static_cast<std::size_t>(x.numel() * size_of(x.dtype)));
  download(x, copy->data());
  return copy;
}

}  // namespace mec
