#include "mec/cli/build_text.h"

#include <fstream>
#include <sstream>

#include "mec/data/decoders/image_formats.h"
#include "mec/distributed/launcher.h"
#include "mec/tensor/devices.h"

namespace mec::cli {

namespace {

#if defined(__clang__)
constexpr const char* kCompiler = "clang " __clang_version__;
#else
constexpr const char* kCompiler = "g++ " __VERSION__;
#endif

struct Part {
  const char* name;
  bool found;
  const char* without;  // what its absence costs
};

// Macros of the build: 1 where a part was found, absent elsewhere.
constexpr Part kParts[] = {
#if MEC_HAVE_OPENMP
    {"OpenMP", true, ""},
#else
    {"OpenMP", false, "a thread pool of our own takes its place"},
#endif
#if MEC_HAVE_ONEDNN
    {"oneDNN", true, ""},
#else
    {"oneDNN", false, "convolutions by our own kernels"},
#endif
#if MEC_HAVE_BLAS
    {"BLAS", true, ""},
#else
    {"BLAS", false, "factorisations by our own loops, slower"},
#endif
#if MEC_HAVE_ZLIB
    {"zlib", true, ""},
#else
    {"zlib", false, ".gz files are refused"},
#endif
#if MEC_HAVE_CUDA
    {"CUDA", true, ""},
#else
    {"CUDA", false, "no GPU backend"},
#endif
};

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown processor";
}

void print_gpus(std::ostream& out) {
  const CudaDescription cuda = describe_cuda();
  if (!cuda.reason.empty()) out << "no GPU: " << cuda.reason << "\n";
  for (const CudaDeviceDescription& gpu : cuda.devices) {
    out << gpu.name << ", " << (gpu.memory >> 30) << " GiB, compute capability " << gpu.capability_major << "."
        << gpu.capability_minor << ", " << gpu.multiprocessors << " multiprocessors, driver for CUDA " << cuda.driver
        << ", built with " << cuda.runtime << "\n";
  }
}

// "JPEG (.jpg .jpeg): libjpeg".
void print_image_formats(std::ostream& out) {
  out << "image files\n";
  for (const ImageFormat& format : image_formats()) {
    out << "  " << format.name << " (" << format.extensions << "): ";
    if (format.is_read()) out << format.decoder << (format.note.empty() ? "" : ", ");
    else out << "not read: ";
    out << format.note << "\n";
  }
}

void print_mpi(std::ostream& out) {
  const std::string library = describe_mpi();
  out << "  MPI: " << (library.empty() ? "missing: runs have one process" : library) << "\n";
}

}  // namespace

std::string build_text() {
  std::ostringstream out;
  out << "mec " MEC_VERSION ", " << kCompiler << (MEC_STATIC ? ", linked statically" : "") << "\n";
  for (const Part& part : kParts) {
    out << "  " << part.name << ": " << (part.found ? "found" : "missing: ") << part.without << "\n";
  }
  print_mpi(out);
  print_image_formats(out);
  const CpuDescription cpu = describe_cpu();
  out << cpu_model() << ", " << cpu.instruction_set << " loops, " << cpu.threads
      << (cpu.threads == 1 ? " thread (" : " threads (") << cpu.threads_reason << ")";
  out << ", " << (cpu.own_kernels ? "our own" : "the libraries'") << " convolutions and products";
  if (cpu.widens_bf16) out << ", bf16 in f32 (this processor multiplies bf16 no faster)";
  out << "\n";
  print_gpus(out);
  return out.str();
}

}  // namespace mec::cli
