// A cuDNN handle that is bound to one stream.
#pragma once

namespace mec::cuda {

// It belongs to the device that is current when it is made. All its work goes to the stream, a
// cudaStream_t. DeviceError without a device.
class CudnnStream {
 public:
  explicit CudnnStream(void* stream);
  ~CudnnStream();
  CudnnStream(const CudnnStream&) = delete;
  CudnnStream& operator=(const CudnnStream&) = delete;

  void* stream() const { return stream_; }
  void* handle() const { return handle_; }  // a cudnnHandle_t

 private:
  void* stream_;
  void* handle_ = nullptr;
};

}  // namespace mec::cuda
