// Backend: a device, with the table of the kernels that it runs. All work on tensor memory goes
// through this one class.
//
// A kernel (kernels/) writes into memory that the caller made, allocates no tensor memory, and
// trusts that ops/ has checked shapes and dtypes. A scalar that may change from step to step is a
// one-element tensor in device memory, never a number: a recorded step reads it afresh at each
// replay.
//
// Numbers that are not finite. On every device a kernel gives what its formula gives in IEEE
// arithmetic, NaN included. Where the formula leaves a choice, the kernel's comment states it;
// where PyTorch has made that choice, it is PyTorch's. Sums may add in any order, but never drop a
// NaN, and infinities of both signs add up to NaN. Tensors with no rows are allowed; a sum over
// nothing is 0.
//
// Labels, indices and bounds. ops/ checks them where the host can read them. Where the host cannot
// read them, and for callers that run a kernel directly, an index out of range is never used as an
// address: the result that it would have selected is NaN.
//
// Letters: N batch, H W C image, O output channels, K kernel size; (R,C) rows and columns of a
// matrix.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>

#include "mec/tensor/allocator.h"
#include "mec/tensor/capture.h"
#include "mec/tensor/collectives.h"
#include "mec/tensor/kernels/batch_norm.h"
#include "mec/tensor/kernels/coding.h"
#include "mec/tensor/kernels/convolution.h"
#include "mec/tensor/kernels/elementwise.h"
#include "mec/tensor/kernels/linalg.h"
#include "mec/tensor/kernels/matmul.h"
#include "mec/tensor/kernels/memory.h"
#include "mec/tensor/kernels/optimizer.h"
#include "mec/tensor/kernels/pooling.h"
#include "mec/tensor/kernels/random.h"
#include "mec/tensor/kernels/reduce.h"
#include "mec/tensor/kernels/rows.h"
#include "mec/tensor/kernels/tsne.h"
#include "mec/tensor/kernels/views.h"

namespace mec {

template <class... Fs> struct Families : Fs... {};

// What every device runs; kernels/ has a file for each family.
using Kernels =
    Families<MemoryKernels, RandomKernels, ElementwiseKernels, ReduceKernels, MatmulKernels, ConvolutionKernels,
             BatchNormKernels, PoolingKernels, RowKernels, LinalgKernels, CodingKernels, TsneKernels, OptimizerKernels>;

class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string name() const = 0;  // "cpu", "reference", …
  virtual CachingAllocator& allocator() = 0;
  // How many channels images of `file_channels` channels are stored with; the further ones are
  // zeros (GPUs want 8).
  virtual std::int64_t image_channels(std::int64_t file_channels) const { return file_channels; }
  virtual bool supports(Dtype dtype) const = 0;  // as a dtype of activations
  // Whether the host may read tensors' memory directly now: kernels run at once, and are neither
  // queued nor only recorded.
  virtual bool host_readable() const;

  // --- Kernels: device.run(kernel::NormalizeRows{x, y, inv_norm, eps}) ---------------------------
  // kernel::MakeViews only where view_kernels() is not null.
  template <class K> void run(const K& k) {
    if constexpr (std::is_base_of_v<Entry<K>, Kernels>) {
      static_cast<const Entry<K>&>(kernels_).run(*this, k);
    } else {
      static_assert(std::is_base_of_v<Entry<K>, ViewKernels>, "a kernel that is in no family of tensor/kernels/");
      (*view_kernels())(*this, k);
    }
  }
  // Null where the loader's workers make the views of images, as on CPUs.
  virtual const ViewKernels* view_kernels() const;

  // --- Work that is started, not waited for, where the device has a queue ------------------------
  virtual void synchronize();  // waits until all started work is done
  // Null where a device gains nothing from replaying a recorded step.
  virtual std::unique_ptr<Capture> make_capture();
  // Copies x to the host once the work started so far is done. wait() on the copy does not wait for
  // work that was started after it.
  virtual std::unique_ptr<HostCopy> read_later(In x);
  // Null where the device has no means of its own to reach other processes. DeviceError where their
  // library is missing.
  virtual std::unique_ptr<Collectives> make_collectives();

  // --- The host's memory -------------------------------------------------------------------------
  virtual void upload(const void* host, Out y) = 0;
  virtual void download(In x, void* host) = 0;  // waits for the device

 protected:
  explicit Backend(const Kernels& kernels) : kernels_(kernels) {}

 private:
  const Kernels kernels_;
};

}  // namespace mec
