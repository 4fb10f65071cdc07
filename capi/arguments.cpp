#include "mec/capi/arguments.h"

#include <utility>
#include <vector>

#include "mec/tensor/arithmetic.h"

namespace mec::capi {

OpenedDevice open_device(const mec_device* device, std::function<void(const std::string&)> note) {
  const mec_device asked = read_struct(device, mec_device MEC_DEVICE_INIT, "mec_device");
  const std::string name = asked.name ? asked.name : "cpu";
  check<ValueError>(asked.threads >= 0 && asked.threads <= kMostCpuThreads, "mec_device.threads is between 0 and ",
                    kMostCpuThreads, ", but is ", asked.threads);
  check<ValueError>(asked.reserved == 0, "mec_device.reserved is 0, but is ", asked.reserved, "; begin with MEC_DEVICE_INIT");
  CpuOptions cpu{.threads = asked.threads, .kernels = parse_cpu_kernels(asked.kernels ? asked.kernels : "auto")};
  cpu.note = note;
  CudaOptions cuda{.device = asked.gpu, .tf32 = asked.tf32 != 0};
  cuda.note = std::move(note);
  const auto make = [=] { return make_device(name, cpu, cuda); };
  return {.device = make(), .computed_on = describe_arithmetic(name, cpu, cuda), .another = make};
}

std::string text_of(const char* text, const char* what) {
  check_given(text, what);
  return text;
}

ImageArray bytes_of(const mec_images& images, const char* instead) {
  check<DtypeError>(images.dtype == MEC_U8, "images are ", instead, ", but mec_images.dtype is ",
                    static_cast<int>(images.dtype));
  return {.pixels = static_cast<const std::uint8_t*>(images.pixels),
          .count = images.count,
          .height = images.height,
          .width = images.width,
          .channels = images.channels};
}

void give(Metrics metrics, mec_figures* figures) {
  if (figures == nullptr) return;
  thread_local struct {
    Metrics metrics;
    std::vector<const char*> names;
    std::vector<double> values;
  } given;
  given = {.metrics = std::move(metrics), .names = {}, .values = {}};
  for (const auto& [name, value] : given.metrics) {
    given.names.push_back(name.c_str());
    given.values.push_back(value);
  }
  *figures = {.count = std::ssize(given.values), .names = given.names.data(), .values = given.values.data()};
}

}  // namespace mec::capi
