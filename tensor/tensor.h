// Tensor: a handle to a dense, row-major block of one device's memory. It knows nothing of
// gradients.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "mec/tensor/dtype.h"
#include "mec/tensor/in_out.h"
#include "mec/tensor/shape.h"

namespace mec {

class Backend;
// A device is a backend that is shared by the tensors living on it. See devices.h for how to get
// one.
using Device = std::shared_ptr<Backend>;

// One allocation; given back to its device's allocator when the last tensor that uses it is
// destroyed.
class Storage {
 public:
  Storage(Device device, std::size_t bytes);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  const Device& device() const { return device_; }

 private:
  Device device_;
  std::size_t bytes_;
  std::byte* data_;
};

// Copying a Tensor copies the handle. A view (rows, reshape) shares the memory. A default-made
// Tensor is "undefined": no memory, false in a condition.
class Tensor {
 public:
  Tensor() = default;
  // Allocates memory, whose content is undetermined.
  Tensor(const Shape& shape, Dtype dtype, const Device& device);

  static Tensor zeros(const Shape& shape, Dtype dtype, const Device& device);
  static Tensor full(const Shape& shape, double value, Dtype dtype, const Device& device);
  // Copies host values. ShapeError when their number is not shape.numel().
  template <class T> static Tensor from(std::span<const T> values, const Shape& shape, const Device& device) {
    check<ShapeError>(static_cast<std::int64_t>(values.size()) == shape.numel(), "Tensor::from: shape ", shape, " has ",
                      shape.numel(), " elements, but ", values.size(), " values were given");
    return from_bytes(values.data(), shape, dtype_of<T>(), device);
  }
  template <class T> static Tensor from(const std::vector<T>& values, const Shape& shape, const Device& device) {
    return from(std::span<const T>(values), shape, device);
  }
  static Tensor from_bytes(const void* host, const Shape& shape, Dtype dtype, const Device& device);

  explicit operator bool() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  std::int64_t dim(int i) const { return shape_.dim(i); }
  int rank() const { return shape_.rank(); }
  std::int64_t numel() const { return shape_.numel(); }
  std::size_t bytes() const { return static_cast<std::size_t>(numel() * size_of(dtype_)); }
  Dtype dtype() const { return dtype_; }
  const Device& device() const;
  Backend& backend() const { return *device(); }

  Out out() const;
  operator Out() const { return out(); }
  operator In() const { return out(); }

  // Rows [begin, end) of the leading dimension, sharing memory.
  Tensor rows(std::int64_t begin, std::int64_t end) const;
  // The same memory with other sizes. In a list, one of them may be -1: it is inferred.
  Tensor reshape(const Shape& shape) const;
  Tensor reshape(std::initializer_list<std::int64_t> dims) const;
  // `numel` elements from element `offset` of the flattened tensor, as `shape`, sharing memory.
  Tensor segment(std::int64_t offset, const Shape& shape) const;

  Tensor clone() const;                        // a copy on the same device
  Tensor to(Dtype dtype) const;                // converted; itself when it has that dtype already
  Tensor to(const Device& device) const;       // copied over; itself when it lives there already
  void copy_from(const Tensor& source) const;  // same shape; converts the dtype and crosses devices
  void fill(double value) const;

  // Copies to the host. They wait for the device, so they must not be called inside a training
  // step.
  template <class T> std::vector<T> to_vector() const {
    check<DtypeError>(dtype_ == dtype_of<T>(), "to_vector: the tensor is ", dtype_, ", not ", dtype_of<T>());
    std::vector<T> host(static_cast<std::size_t>(numel()));
    download(host.data());
    return host;
  }
  void download(void* host) const;
  double item() const;  // the one element, as a double. ShapeError when there are more.

  // Whether no other handle or view shares the memory and this one covers all of it: then it may be
  // overwritten.
  bool is_unique() const;
  bool same_memory(const Tensor& other) const;

 private:
  std::shared_ptr<Storage> storage_;
  std::int64_t offset_ = 0;  // bytes
  Shape shape_;
  Dtype dtype_ = Dtype::f32;
};

}  // namespace mec
