#include "mec/nn/onnx/onnx_file.h"

#include <dlfcn.h>

#include "mec/nn/onnx/functions.h"
#include "mec/tensor/io/atomic_file.h"
#include "mec/tensor/io/module_paths.h"

namespace mec {

namespace {

// Null where there is no module; then `reason` says why.
SerializeOnnx open_module(std::string& reason) {
#ifdef MEC_ONNX_BUILD
  reason = "there is no mec_onnx.so of it";
  for (const std::filesystem::path& path : module_paths(MEC_ONNX_INSTALLED, MEC_ONNX_BUILD)) {
    std::error_code failed;
    if (!std::filesystem::exists(path, failed)) continue;
    void* const module = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    const auto serialize = module ? reinterpret_cast<SerializeOnnx>(dlsym(module, kSerializeOnnxSymbol)) : nullptr;
    if (serialize) return serialize;
    reason = dlerror();
  }
#else
  reason = "ONNX's library was not found when it was configured";
#endif
  return nullptr;
}

void append(void* text, const char* bytes, std::size_t count) { static_cast<std::string*>(text)->append(bytes, count); }

}  // namespace

void write_onnx(const std::filesystem::path& path, const OnnxGraph& graph) {
  std::string reason;
  const SerializeOnnx serialize = open_module(reason);
  check<IoError>(serialize != nullptr, "this build cannot write ONNX files: ", reason,
                 "; install libonnx-dev and libprotobuf-dev, and build with -DMEC_ONNX=ON");
  std::string bytes;
  const char* const failure = serialize(&graph, sizeof graph, append, &bytes);
  check<IoError>(failure == nullptr, path.string(), ": ONNX: ", failure ? failure : "");
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

}  // namespace mec
