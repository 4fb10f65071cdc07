#include "mec/capi/arguments.h"

#include "mec/tensor/arithmetic.h"

namespace mec::capi {

OpenedDevice open_device(const mec_device* device, std::function<void(const std::string&)> note) {
  const mec_device asked = read_struct(device, mec_device MEC_DEVICE_INIT, "mec_device");
  const std::string name = asked.name ? asked.name : "cpu";
  check<ValueError>(asked.threads >= 0 && asked.threads <= kMostCpuThreads, "mec_device.threads is between 0 and ",
                    kMostCpuThreads, ", but is ", asked.threads);
  CpuOptions cpu{.threads = asked.threads, .kernels = parse_cpu_kernels(asked.kernels ? asked.kernels : "auto")};
  cpu.note = note;
  CudaOptions cuda{.device = asked.gpu, .tf32 = asked.tf32 != 0};
  cuda.note = std::move(note);
  const auto make = [=] { return make_device(name, cpu, cuda); };
  return {.device = make(), .computed_on = describe_arithmetic(name, cpu, cuda), .another = make};
}

std::string text_of(const char* text, const char* what) {
  check_address(text, what);
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

void Figures::set(Metrics metrics) {
  texts_.clear();
  names_.clear();
  values_.clear();
  for (auto& [name, value] : metrics) {
    texts_.push_back(std::move(name));
    values_.push_back(value);
  }
  for (const std::string& text : texts_) names_.push_back(text.c_str());
}

void Figures::give(mec_figures* figures) const {
  if (figures == nullptr) return;
  *figures = {.count = static_cast<std::int64_t>(values_.size()), .names = names_.data(), .values = values_.data()};
}

}  // namespace mec::capi
