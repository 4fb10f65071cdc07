#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <map>
#include <thread>

#include "mec/cli/bench/profile_table.h"
#include "mec/cli/commands.h"
#include "mec/cli/options.h"
#include "mec/cli/program.h"
#include "mec/tensor/backends/wrappers/profiling.h"
#include "mec/tensor/ops.h"

namespace mec::cli {

namespace {

struct BenchOpsOptions {
  std::string network = "resnet18-w16";
  std::int64_t batch = 256;
  std::string precision = "f32";
  int calls = 10;
  bool compare = false;
  DeviceOptions device;
};

struct Inputs {
  Device device;
  Dtype dtype;  // of activations

  Tensor make(const Shape& shape, Dtype type) const { return random(shape, Dtype::f32, device, {.seed = 1}).to(type); }
  Tensor activation(const Shape& shape) const { return make(shape, dtype); }
  Tensor f32(const Shape& shape) const { return make(shape, Dtype::f32); }
};

using Work = std::function<void()>;

struct Layer {
  std::int64_t size, in, out, kernel, stride;
};
struct Network {
  std::vector<Layer> layers;                      // the first sees images, which need no gradient
  std::int64_t size = 0, channels = 0;            // of the largest activations
  std::int64_t last_size = 0, last_channels = 0;  // of the encoder's output
};

// ResNet-18 of width 16 on 28x28 images, and ResNet-50 on 224x224.
const std::map<std::string, Network> kNetworks{
    {"resnet18-w16",
     {{{28, 1, 16, 3, 1},
       {28, 16, 16, 3, 1},
       {28, 16, 32, 3, 2},
       {14, 32, 32, 3, 1},
       {7, 64, 64, 3, 1},
       {7, 64, 128, 1, 2},
       {4, 128, 128, 3, 1}},
      28,
      16,
      4,
      128}},
    {"resnet50",
     {{{224, 3, 64, 7, 2},
       {56, 64, 64, 3, 1},
       {56, 64, 256, 1, 1},
       {56, 256, 128, 1, 1},
       {56, 128, 128, 3, 2},
       {28, 512, 128, 1, 1},
       {14, 256, 256, 3, 1},
       {14, 1024, 256, 1, 1},
       {7, 512, 512, 3, 1},
       {7, 512, 2048, 1, 1}},
      112,
      64,
      7,
      2048}},
};

void add_convolutions(std::vector<Work>& work, const Inputs& inputs, const Network& network, std::int64_t batch) {
  for (const auto& [size, in, out, kernel, stride] : network.layers) {
    const bool image = in == network.layers.front().in;
    const std::int64_t channels = image ? inputs.device->image_channels(in) : in;
    const Conv2dArgs args{.stride = stride, .pad = kernel / 2};
    const Tensor x = inputs.activation({batch, size, size, channels});
    const Tensor w = inputs.activation({out, kernel, kernel, channels});
    const Tensor y = conv2d(x, w, args);
    work.emplace_back([=] { conv2d(x, w, args); });
    if (!image) work.emplace_back([=] { conv2d_grad_input(y, w, x.shape(), args); });
    work.emplace_back([=] { conv2d_grad_weight(y, x, w.shape(), args); });
  }
}

void add_batch_norms(std::vector<Work>& work, const Inputs& inputs, const Network& network, std::int64_t batch) {
  for (const Shape& shape : {Shape{batch, network.size, network.size, network.channels},
                             Shape{batch, network.last_size, network.last_size, network.last_channels}}) {
    const Tensor x = inputs.activation(shape), gamma = inputs.f32({shape[3]}), beta = inputs.f32({shape[3]});
    const BatchNormArgs args{.relu = true};
    const BatchNormStatistics statistics = batch_norm_statistics(x);
    const Tensor y = batch_norm_apply(x, statistics, gamma, beta, {}, args), dy = y.clone();
    const BatchNormSums sums = batch_norm_grad_reduce(dy, x, {}, statistics, gamma, beta, args);
    const auto rows = static_cast<double>(x.numel() / shape[3]);
    work.emplace_back([=] { batch_norm_statistics(x); });
    work.emplace_back([=] { batch_norm_apply(x, statistics, gamma, beta, {}, args); });
    work.emplace_back([=] { batch_norm_grad_reduce(dy, x, {}, statistics, gamma, beta, args); });
    work.emplace_back([=] { batch_norm_grad_apply(dy, x, {}, statistics, gamma, beta, sums, rows, false, args); });
  }
}

void add_objective(std::vector<Work>& work, const Inputs& inputs) {
  const Tensor p = inputs.f32({1024, 2048}), z = p.clone(), c = inputs.f32({1024, 1024}), other = c.clone();
  const Tensor square = matmul(c, c, {.trans_b = true});  // positive definite
  work.emplace_back([=] { normalize_rows(p); });
  work.emplace_back([=] { matmul(p, z, {.trans_b = true}); });
  work.emplace_back([=] { power_traces({c, other}, 4); });
  work.emplace_back([=] { matrix_polynomial({c, other}, {1.0, -1.0, 1.0}); });
  work.emplace_back([=] { symmetrize(c); });
  work.emplace_back([=] { lu(c); });
  work.emplace_back([=] { cholesky(square); });
}

void add_the_rest(std::vector<Work>& work, const Inputs& inputs, const Network& network, std::int64_t batch) {
  const Tensor x = inputs.activation({batch, network.size, network.size, network.channels}), flat = inputs.f32({1 << 22}),
               other = inputs.f32({1 << 22});
  const Tensor half = inputs.f32({1}), offsets = Tensor::from<std::int64_t>({0, 1 << 22}, {2}, inputs.device);
  const Tensor addend = x.clone(),
               image = inputs.activation({batch, network.last_size, network.last_size, network.last_channels}),
               momentum = inputs.f32({1 << 22});
  const Tensor a = inputs.activation({batch, 512}), w = inputs.activation({512, 512});
  work.emplace_back([=] { matmul(a, w); });
  work.emplace_back([=] { x.clone(); });
  work.emplace_back([=] { relu(x); });
  work.emplace_back([=] { binary(BinaryOp::add, x, addend); });
  work.emplace_back([=] { max_pool2d(x); });
  work.emplace_back([=] { global_avg_pool(image); });
  work.emplace_back([=] { all_finite(flat); });
  work.emplace_back([=] { sgd_update(flat, other, momentum, half, offsets, {}, {}); });
  work.emplace_back([=] { ema_update(other, flat, half); });
}

// Operations a second. On a GPU, those of its best large product, in f32 or in bf16 as the
// activations are; on a CPU, f32 multiply-adds in registers.
double measure_flops(ProfilingBackend& profiler, const Inputs& inputs, const DeviceOptions& options) {
  if (profiler.name() != "cuda") return peak_flops({.threads = options.threads});
  const Tensor a = inputs.activation({8192, 8192}), b = inputs.activation({8192, 8192});
  double best = 0;
  for (int round = 0; round < 5; ++round) {
    profiler.reset();
    matmul(a, b);
    for (const KernelProfile& k : profiler.profiles()) best = std::max(best, k.flops / k.seconds);
  }
  return best;
}

// B/s of reading or of copying an array that no cache holds; the larger of the two.
double measure_memory(ProfilingBackend& profiler, const Tensor& large) {
  const Tensor to(large.shape(), large.dtype(), large.device());
  double best = 0;
  for (int round = 0; round < 5; ++round) {
    profiler.reset();
    to.copy_from(large);
    sum(large);
    for (const KernelProfile& k : profiler.profiles()) best = std::max(best, k.bytes / k.seconds);
  }
  return best;
}

double milliseconds(const KernelProfile& kernel) { return kernel.seconds / static_cast<double>(kernel.calls) * 1e3; }

void print_kernel(const KernelProfile& kernel, double peak_flops, double peak_bytes) {
  const double share = kernel.flops > 0 ? kernel.flops / peak_flops : kernel.bytes / peak_bytes;
  std::printf("%-24s %9.3f %s %4.0f %%  %s\n", kernel.kernel.c_str(), milliseconds(kernel), rates(kernel).c_str(),
              100 * share / kernel.seconds, kernel.sizes.c_str());
}

// A device, and the work that is timed on it.
struct Side {
  std::shared_ptr<ProfilingBackend> profiler;
  Inputs inputs;
  std::vector<Work> work;
  Tensor large;

  Side(const BenchOpsOptions& options, const DeviceOptions& device)
      : profiler(std::make_shared<ProfilingBackend>(device.make())),
        inputs{profiler, parse_precision(options.precision, profiler)},
        large(Tensor::zeros({1 << 26}, Dtype::f32, profiler)) {
    const Network& network = kNetworks.at(options.network);
    add_convolutions(work, inputs, network, options.batch);
    add_batch_norms(work, inputs, network, options.batch);
    add_objective(work, inputs);
    add_the_rest(work, inputs, network, options.batch);
  }

  void warm_up(std::size_t index) {
    work[index]();  // makes plans and touches memory
    profiler->reset();
  }
  void run(std::size_t index) {
    profiler->begin_phase("flush");  // as in a training step, the operands are not in the cache
    large.fill(0);
    profiler->begin_phase("run");
    work[index]();
  }
  std::vector<KernelProfile> kernels() const {
    std::vector<KernelProfile> run = profiler->profiles();
    std::erase_if(run, [](const KernelProfile& kernel) { return kernel.phase != "run"; });
    return run;
  }
};

// The fastest call of each kernel: what else the machine does only slows a call down.
using Fastest = std::map<std::pair<std::string, std::string>, double>;  // ms, by kernel and sizes

void time_once(Side& side, std::size_t index, Fastest& fastest) {
  // Until the threads of the other side are asleep: OpenMP's poll for some milliseconds.
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  side.profiler->reset();
  side.run(index);
  for (const KernelProfile& kernel : side.kernels()) {
    if (kernel.flops == 0) continue;  // libraries have products, convolutions and decompositions
    const auto [at, is_first] = fastest.try_emplace({kernel.kernel, kernel.sizes}, milliseconds(kernel));
    if (!is_first) at->second = std::min(at->second, milliseconds(kernel));
  }
}

// Our own kernels and the libraries', in turn.
void compare_kernels(const BenchOpsOptions& options) {
  if (options.device.device != "cpu" || options.device.kernels != "auto") {
    throw UsageError("--compare takes both kinds of kernels of the CPU device; leave out --device and --kernels");
  }
  DeviceOptions device = options.device;
  device.kernels = "own";
  Side own(options, device);
  device.kernels = "libraries";
  Side libraries(options, device);
  std::printf("%-20s %9s %13s %14s\n", "kernel", "own, ms", "libraries, ms", "times as fast");
  for (std::size_t i = 0; i < own.work.size(); ++i) {
    Fastest ours, theirs;
    for (Side* side : {&own, &libraries}) side->warm_up(i);
    for (int call = 0; call < options.calls; ++call) {
      time_once(own, i, ours);
      time_once(libraries, i, theirs);
    }
    for (const auto& [kernel, ms] : ours) {
      const auto same = theirs.find(kernel);
      if (same == theirs.end()) continue;
      std::printf("%-20s %9.3f %13.3f %14.2f  %s\n", kernel.first.c_str(), ms, same->second, same->second / ms,
                  kernel.second.c_str());
    }
  }
}

void run_bench_ops(const BenchOpsOptions& options) {
  if (options.compare) return compare_kernels(options);
  Side side(options, options.device);
  ProfilingBackend& profiler = *side.profiler;
  const double flops = measure_flops(profiler, side.inputs, options.device), bytes = measure_memory(profiler, side.large);
  const std::string how = profiler.name() == "cuda" ? options.precision + " in a product of 8192" : "f32 in registers";
  std::printf("measured peaks: %.0f GFLOP/s %s, %.0f GB/s from memory\n\n", flops * 1e-9, how.c_str(), bytes * 1e-9);
  std::printf("%-24s %9s %9s %7s %6s\n", "kernel", "ms", "GFLOP/s", "GB/s", "peak");
  for (std::size_t i = 0; i < side.work.size(); ++i) {
    side.warm_up(i);
    for (int call = 0; call < options.calls; ++call) side.run(i);
    for (const KernelProfile& kernel : side.kernels()) print_kernel(kernel, flops, bytes);
  }
}

}  // namespace

void add_bench_ops(Command bench) {
  const auto options = std::make_shared<BenchOpsOptions>();
  Command command =
      bench.add_subcommand("ops", "Each kernel by itself: time, rate, and share of what the machine could do at best");
  command.add_option("--network", options->network, "Whose layers: resnet18-w16 on 28x28 images, or resnet50 on 224x224")
      .one_of({"resnet18-w16", "resnet50"})
      .show_default();
  command.add_option("--batch", options->batch, "Images").positive().show_default();
  command.add_option("--precision", options->precision, "f32 or bf16: of activations").one_of({"f32", "bf16"}).show_default();
  command.add_option("--calls", options->calls, "Calls that count").positive().show_default();
  command.add_flag("--compare", options->compare, "Convolutions, products, decompositions: our own beside the libraries', in turn");
  add_device_options(command, options->device);
  command.run([options] { run_bench_ops(*options); });
}

}  // namespace mec::cli
