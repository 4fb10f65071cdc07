#include "mec/capi/calls.h"

#include <exception>
#include <string>

namespace mec::capi {

namespace {

thread_local std::string last_error;

mec_status keep(mec_status status, const char* call, const char* what) noexcept {
  try {
    last_error = concat(call, ": ", what);
  } catch (...) {  // no memory for it
    last_error.clear();
  }
  return status;
}

}  // namespace

mec_status fail(const char* call) noexcept {
  try {
    throw;
  } catch (const HandleError& error) {
    return keep(MEC_ERROR_HANDLE, call, error.what());
  } catch (const ShapeError& error) {
    return keep(MEC_ERROR_SHAPE, call, error.what());
  } catch (const DtypeError& error) {
    return keep(MEC_ERROR_DTYPE, call, error.what());
  } catch (const ValueError& error) {
    return keep(MEC_ERROR_VALUE, call, error.what());
  } catch (const IoError& error) {
    return keep(MEC_ERROR_IO, call, error.what());
  } catch (const NumericalError& error) {
    return keep(MEC_ERROR_NUMERICAL, call, error.what());
  } catch (const MemoryError& error) {
    return keep(MEC_ERROR_MEMORY, call, error.what());
  } catch (const std::bad_alloc&) {
    return keep(MEC_ERROR_MEMORY, call, "the process gets no more memory");
  } catch (const DeviceError& error) {
    return keep(MEC_ERROR_DEVICE, call, error.what());
  } catch (const std::exception& error) {
    return keep(MEC_ERROR_OTHER, call, error.what());
  } catch (...) {
    return keep(MEC_ERROR_OTHER, call, "an error of unknown kind");
  }
}

}  // namespace mec::capi

const char* mec_version(void) { return MEC_VERSION; }

const char* mec_last_error(void) { return mec::capi::last_error.c_str(); }
