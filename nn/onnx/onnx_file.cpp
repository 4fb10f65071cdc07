#include "mec/nn/onnx/onnx_file.h"

#include <dlfcn.h>

#include "mec/nn/onnx/functions.h"
#include "mec/tensor/io/module_paths.h"

namespace mec {

namespace {

SerializeOnnx open_module() {
#ifdef MEC_ONNX_BUILD
  std::string reason;
  for (const std::filesystem::path& path : module_paths(MEC_ONNX_INSTALLED, MEC_ONNX_BUILD)) {
    std::error_code failed;
    if (!std::filesystem::exists(path, failed)) continue;
    void* const module = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    const auto serialize = module ? reinterpret_cast<SerializeOnnx>(dlsym(module, kSerializeOnnxSymbol)) : nullptr;
    if (serialize) return serialize;
    reason = dlerror();
  }
  check<IoError>(!reason.empty(),
                 "ONNX: mec_onnx.so is neither installed nor in the folder of the build; install mec's ONNX module, or build "
                 "the target mec_onnx");
  throw IoError(concat("ONNX: mec_onnx.so cannot be opened (", reason,
                       "); install the ONNX and protobuf libraries that it was built with, or install mec again"));
#else
  throw IoError(
      "this build cannot write ONNX files, as ONNX's library was not found when it was configured; install libonnx-dev and "
      "libprotobuf-dev, and build with -DMEC_ONNX=ON");
#endif
}

void append(void* text, const char* bytes, std::size_t count) { static_cast<std::string*>(text)->append(bytes, count); }

}  // namespace

std::string to_onnx_file(const OnnxGraph& graph) {
  const SerializeOnnx serialize = open_module();
  std::string bytes;
  const char* const failure = serialize(&graph, kOnnxBuild, append, &bytes);
  check<IoError>(failure == nullptr, "ONNX: ", failure ? failure : "");
  return bytes;
}

}  // namespace mec
