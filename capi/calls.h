// What every call of the C interface goes through: no exception leaves it, and the thread keeps the
// message.
#pragma once

#include <cstddef>
#include <cstring>
#include <new>

#include "mec.h"
#include "mec/tensor/error.h"

namespace mec::capi {

// A handle or the address of a result that is none.
struct HandleError : Error {
  using Error::Error;
};

// The status of the exception that is being handled. Keeps "call: message" for mec_last_error().
mec_status fail(const char* call) noexcept;

template <class Work> mec_status guarded(const char* call, Work&& work) noexcept {
  try {
    work();
    return MEC_OK;
  } catch (...) {
    return fail(call);
  }
}

// Null is a HandleError where a result is to be written there, and a ValueError where an argument
// is read.
inline void check_result(const void* address, const char* what) { check<HandleError>(address != nullptr, what, " is null"); }
inline void check_given(const void* address, const char* what) { check<ValueError>(address != nullptr, what, " is null"); }

// A struct may grow at its end where no padding lies there, which older callers leave as it is.
#define MEC_ENDS_WITH(Struct, last) static_assert(offsetof(Struct, last) + sizeof(Struct::last) == sizeof(Struct))
MEC_ENDS_WITH(mec_device, reserved);
MEC_ENDS_WITH(mec_encoder_info, std);
MEC_ENDS_WITH(mec_embeddings, dz);
MEC_ENDS_WITH(mec_trainer_options, context);
MEC_ENDS_WITH(mec_trainer_info, steps_done);
#undef MEC_ENDS_WITH

// Structs that grow with the library: the caller's `size` says how much of one it knows.
template <class Struct> void check_size(const Struct& of_caller, const char* name) {
  check<ValueError>(of_caller.size >= sizeof(std::size_t) && of_caller.size <= sizeof(Struct), name, ".size is ",
                    of_caller.size, ", but this library knows ", sizeof(Struct),
                    " bytes of it; set it to sizeof, and use a library that is as new as its header");
}
// What the caller gives, with `defaults` for members that it does not know.
template <class Struct> Struct read_struct(const Struct* of_caller, Struct defaults, const char* name) {
  if (of_caller == nullptr) return defaults;
  check_size(*of_caller, name);
  std::memcpy(&defaults, of_caller, of_caller->size);
  return defaults;
}
// Gives the caller the members that it knows.
template <class Struct> void write_struct(Struct values, Struct* of_caller, const char* name) {
  check_result(of_caller, name);
  check_size(*of_caller, name);
  values.size = of_caller->size;
  std::memcpy(of_caller, &values, of_caller->size);
}

}  // namespace mec::capi
