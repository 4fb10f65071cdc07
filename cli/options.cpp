#include "mec/cli/note.h"
#include "mec/cli/options.h"
#include "mec/data/formats/open_dataset.h"

#include "mec/tensor/arithmetic.h"
#include "mec/tensor/backend.h"

namespace mec::cli {

CpuOptions DeviceOptions::cpu() const { return {.threads = threads, .kernels = parse_cpu_kernels(kernels)}; }

CudaOptions DeviceOptions::cuda() const { return {.device = gpu, .tf32 = tf32, .deterministic = !nondeterministic, .tune = tune}; }

Device DeviceOptions::make(const std::string& plan_file) const {
  CpuOptions on_cpu = cpu();
  on_cpu.note = note;
  CudaOptions on_gpu = cuda();
  on_gpu.plan_file = plan_file;
  on_gpu.note = note;
  return make_device(device, on_cpu, on_gpu);
}

std::string DeviceOptions::arithmetic() const { return describe_arithmetic(device, cpu(), cuda()); }

void add_device_options(Command command, DeviceOptions& options) {
  command.add_option("--device", options.device, "cpu, cuda: an NVIDIA GPU, or reference: plain loops, for comparison")
      .one_of({"cpu", "cuda", "reference"})
      .show_default();
  command.add_option("--threads", options.threads, "Threads of the CPU device; 0: OMP_NUM_THREADS, or one for each processor")
      .between(0, kMostCpuThreads);
  command
      .add_option("--kernels", options.kernels,
                  "Of the CPU device: own, or the libraries' (oneDNN, OpenBLAS); auto: the faster ones on this processor")
      .one_of({"auto", "own", "libraries"})
      .show_default();
  command.add_flag("--tf32", options.tf32, "On the GPU, round f32 operands to TF32: faster, three digits");
  command.add_flag("--tune", options.tune, "On the GPU, time the engines of each convolution and take the fastest");
  command.add_flag("--nondeterministic", options.nondeterministic,
                   "On the GPU, also take convolutions whose bits change from run to run, as PyTorch does");
}

Option add_set_option(Command command, std::vector<std::string>& assignments, const std::string& help) {
  return command.add_option("--set", assignments, help)
      .repeated()
      .value_name("K=V")
      .check([](const std::string& word) {
        const std::size_t equals = word.find('=');
        const bool good = equals != std::string::npos && equals > 0;
        return good ? "" : concat("takes section.key=value, but got '", word, "'");
      });
}

void add_no_graph_option(Command command, bool& no_graph) {
  command.add_flag("--no-graph", no_graph, "On the GPU, start every kernel of every step, rather than replay a recorded step");
}

void add_precision_option(Command command, std::string& precision) {
  command.add_option("--precision", precision, "f32 or bf16: of the encoder").one_of({"f32", "bf16"}).show_default();
}

Dtype parse_precision(const std::string& name, const Device& device) {
  check<ValueError>(name == "f32" || name == "bf16", "precision is f32 or bf16, but is '", name, "'");
  const Dtype dtype = name == "bf16" ? Dtype::bf16 : Dtype::f32;
  check<ValueError>(device->supports(dtype), "precision: the ", device->name(), " device does not compute in ", dtype);
  return dtype;
}

void add_data_options(Command command, DataOptions& options) {
  command.add_option("--data", options.path, "Folder of the data set; default: the one that the run trained on");
  command.add_option("--kind", options.kind, data_kinds());
  command.add_option("--limit", options.limit, "At most so many images of each split, spread evenly; 0: all").not_negative();
  command.add_option("--workers", options.workers, "Threads that read images").between(0, 1024).show_default();
  command.add_option("--batch", options.batch, "Images embedded at a time").positive().show_default();
  command.add_flag("--exif-orientation", options.exif_orientation,
                   "Image files stand upright as their cameras noted; default: as the run trained, or as stored");
}

}  // namespace mec::cli
