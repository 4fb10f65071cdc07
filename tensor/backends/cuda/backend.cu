#include "mec/tensor/backends/cuda/backend.h"

#include "mec/tensor/backends/cuda/nccl/collectives.h"
#include "mec/tensor/backends/cuda/runtime/range.h"
#include "mec/tensor/backends/cuda/tuning.h"

namespace mec {

Device make_cuda_device(const CudaOptions& options) {
  const CudaDescription found = describe_cuda();
  check<DeviceError>(found.reason.empty(), "device cuda: ", found.reason);
  check<ValueError>(options.device >= 0 && options.device < static_cast<int>(found.devices.size()),
                    "device cuda: there is no device ", options.device, " among ", found.devices.size(), ", counted from 0");
  const CudaDeviceDescription& device = found.devices[static_cast<std::size_t>(options.device)];
  check<DeviceError>(device.capability_major >= 8, "device cuda: ", device.name, " has compute capability ",
                     device.capability_major, ".", device.capability_minor, ", but bf16 needs 8.0");
  return std::make_shared<cuda::CudaBackend>(options);
}

}  // namespace mec

namespace mec::cuda {
namespace {

// The most blocks of 256 threads that a multiprocessor holds. A kernel's registers may allow fewer
// (simt::resident_blocks).
constexpr std::int64_t kBlocksEach = 8;

std::size_t bytes_of(const Shape& shape, Dtype dtype) { return static_cast<std::size_t>(shape.numel() * size_of(dtype)); }

// The workspace of a decomposition, followed by cuSOLVER's status.
struct SolverMemory {
  SolverMemory(void* memory, std::size_t bytes)
      : workspace{memory, bytes}, info(reinterpret_cast<int*>(static_cast<std::byte*>(memory) + bytes)) {}
  Workspace workspace;
  int* info;
};

// Makes `device` the calling thread's device. Returns it, so that the constructor can do this
// before it makes any member.
int selected(int device) {
  MEC_CHECK_CUDA(cudaSetDevice(device));
  return device;
}

}  // namespace

// Kernels may still use memory that is freed now.
CudaBackend::~CudaBackend() { static_cast<void>(cudaStreamSynchronize(stream_.get())); }

// Every kernel asks for the stream here, so the device is selected here: a thread that selected
// none would use the first one.
simt::Stream CudaBackend::stream() const {
  selected(options_.device);
  return stream_.get();
}

void CudaBackend::refuse_in_capture(const char* what, const Shape& shape) const {
  check<ValueError>(!capturing_, "cuda: a step that is captured ", what, " ", shape, "; do it between replays instead");
}

void CudaBackend::synchronize() {
  selected(options_.device);
  MEC_CHECK_CUDA(cudaStreamSynchronize(stream_.get()));
}

void CudaBackend::upload(const void* host, Out y) {
  refuse_in_capture("copies from the host", y.shape);
  if (y.numel() == 0) return;
  selected(options_.device);
  transfers_.upload(host, y.data, bytes_of(y.shape, y.dtype));
}

void CudaBackend::download(In x, void* host) {
  refuse_in_capture("reads on the host", x.shape);
  if (x.numel() == 0) return;
  selected(options_.device);
  transfers_.download(x.data, host, bytes_of(x.shape, x.dtype));
}

std::unique_ptr<Collectives> CudaBackend::make_collectives() {
  return cuda::make_collectives(selected(options_.device), stream_.get());
}

std::unique_ptr<HostCopy> CudaBackend::read_later(In x) {
  refuse_in_capture("reads on the host", x.shape);
  selected(options_.device);
  return transfers_.read_later(x.data, bytes_of(x.shape, x.dtype));
}

void run(CudaBackend& device, const kernel::Matmul& call) {
  const Range range(call.name);
  if (device.nothing_to_sum(call.a, call.b, call.c, call.args.accumulate)) return;
  const Workspace workspace{device.scratch(Products::kWorkspace), Products::kWorkspace};
  if (!device.products_.matmul(call.a, call.b, call.c, call.args, workspace, device.stream()))
    device.tiled_product(call.a, call.b, call.c, call.args);
}

// Libraries disagree on what a sum over nothing is. It is 0.
bool CudaBackend::nothing_to_sum(In a, In b, Out result, bool accumulate) {
  if (result.numel() != 0 && a.numel() != 0 && b.numel() != 0) return false;
  if (result.numel() != 0 && !accumulate) run(kernel::Fill{result, 0.0});
  return true;
}

void run(CudaBackend& device, const kernel::Lu& call) {
  const Range range(call.name);
  selected(device.options_.device);
  const std::size_t bytes = rounded(device.decompositions_.lu_workspace(call.a.shape[0], call.a.dtype));
  const SolverMemory memory(device.scratch(bytes + sizeof(int)), bytes);
  device.decompositions_.lu(call.a, call.pivots, memory.info, memory.workspace);
  device.lu_log_det(call.a, call.pivots, 1, call.log_det);
}

void run(CudaBackend& device, const kernel::LuInverse& call) {
  const Range range(call.name);
  device.identity(call.inverse);
  device.decompositions_.lu_solve(call.lu, call.pivots, call.inverse, static_cast<int*>(device.scratch(sizeof(int))));
  device.refuse_singular(call.lu, call.inverse);
}

void run(CudaBackend& device, const kernel::Cholesky& call) {
  const Range range(call.name);
  selected(device.options_.device);
  const std::size_t bytes = rounded(device.decompositions_.cholesky_workspace(call.a.shape[0], call.a.dtype));
  const SolverMemory memory(device.scratch(bytes + sizeof(int)), bytes);
  device.decompositions_.cholesky(call.a, memory.info, memory.workspace);
  device.cholesky_log_det(call.a, memory.info, call.log_det);
}

CudaBackend::CudaBackend(const CudaOptions& options)
    : KernelBackend(
          kBlocksEach * attribute_of(selected(options.device), cudaDevAttrMultiProcessorCount),
          {KernelsOf<CudaBackend, MatmulKernels>::table, convolution_kernels, KernelsOf<CudaBackend, LinalgKernels>::table}),
      options_(options),
      stream_(make_stream()),
      allocator_(device_upstream(options.device)),
      transfers_(stream_.get()),
      products_(options.tf32),
      decompositions_(stream_.get()),
      cudnn_(stream_.get()),
      plans_(DeviceProperties::of_device(options.device), {},
             options.tune ? PlanTimer([this](const ConvolutionPlan& plan) { return time_plan(plan); }) : PlanTimer()) {
  if (options.plan_file.empty()) return;
  // Where the file cannot be used, engines are chosen anew.
  const std::string reason = plans_.choices().load(options.plan_file);
  if (!reason.empty() && options.note) options.note(reason);
  const std::string disagreement = plans_.choices().disagreement(policy());
  check<ValueError>(disagreement.empty(), "convolution plans in ", options.plan_file, ": ", disagreement,
                    "; give the same options, or begin without the file");
}

}  // namespace mec::cuda
