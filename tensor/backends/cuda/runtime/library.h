// NVIDIA's large libraries, opened when a GPU is first used. Linked, they would cost every run 260
// MB and 70 ms, also on the CPU, and a machine that lacks one could not start the program.
#pragma once

#include <atomic>
#include <mutex>
#include <string>

namespace mec::cuda {

class Library {
 public:
  // Opens `name`, which the system's loader looks for and which has the headers' version in it;
  // where the loader does not find that, `built_with`, the file found by the build.
  constexpr Library(const char* name, const char* built_with) : name_(name), built_with_(built_with) {}

  // DeviceError where the library, or the function in it, is missing.
  void* function(const char* name);

 private:
  const char* name_;
  const char* built_with_;
  std::once_flag opened_;
  void* handle_ = nullptr;  // stays open: what it has started may run until the program ends
};

extern Library cublaslt, cudnn, cusolver, nccl;

// Called like the library's function of that name. In this namespace it hides that function, which
// is never linked.
template <class Signature> class Function;
template <class Result, class... Parameters> class Function<Result(Parameters...)> {
 public:
  constexpr Function(Library& library, const char* name) : library_(library), name_(name) {}

  Result operator()(Parameters... arguments) {
    void* function = function_.load(std::memory_order_acquire);
    if (!function) function_.store(function = library_.function(name_), std::memory_order_release);
    return reinterpret_cast<Result (*)(Parameters...)>(function)(arguments...);
  }

 private:
  Library& library_;
  const char* name_;
  std::atomic<void*> function_ = nullptr;
};

#define MEC_FUNCTION_OF(library, name) \
  inline constinit Function<decltype(::name)> name { library, #name }

}  // namespace mec::cuda
