#include "mec/tensor/tensor.h"

#include <algorithm>
#include <array>

#include "mec/tensor/backend.h"

namespace mec {

Storage::Storage(Device device, std::size_t bytes)
    : device_(std::move(device)), bytes_(bytes), data_(static_cast<std::byte*>(device_->allocator().allocate(bytes))) {}

Storage::~Storage() { device_->allocator().deallocate(data_); }

Tensor::Tensor(const Shape& shape, Dtype dtype, const Device& device) : shape_(shape), dtype_(dtype) {
  check<ValueError>(device != nullptr, "Tensor: no device was given (see mec/tensor/devices.h)");
  storage_ = std::make_shared<Storage>(device, static_cast<std::size_t>(shape.numel() * size_of(dtype)));
}

Tensor Tensor::zeros(const Shape& shape, Dtype dtype, const Device& device) { return full(shape, 0.0, dtype, device); }

Tensor Tensor::full(const Shape& shape, double value, Dtype dtype, const Device& device) {
  Tensor t(shape, dtype, device);
  t.fill(value);
  return t;
}

Tensor Tensor::from_bytes(const void* host, const Shape& shape, Dtype dtype, const Device& device) {
  Tensor t(shape, dtype, device);
  device->upload(host, t);
  return t;
}

const Device& Tensor::device() const {
  check<ValueError>(storage_ != nullptr, "Tensor: an undefined tensor has no device");
  return storage_->device();
}

Out Tensor::out() const { return {.data = storage_ ? storage_->data() + offset_ : nullptr, .shape = shape_, .dtype = dtype_}; }

Tensor Tensor::rows(std::int64_t begin, std::int64_t end) const {
  check<ShapeError>(rank() > 0 && 0 <= begin && begin <= end && end <= dim(0), "rows: [", begin, ", ", end,
                    ") does not lie within the leading dimension of ", shape_);
  std::array<std::int64_t, Shape::kMaxRank> dims{};
  std::copy(shape_.dims().begin(), shape_.dims().end(), dims.begin());
  dims[0] = end - begin;
  const std::int64_t row = dim(0) ? numel() / dim(0) : 0;
  return segment(begin * row, Shape(std::span<const std::int64_t>(dims.data(), static_cast<std::size_t>(rank()))));
}

Tensor Tensor::reshape(const Shape& shape) const {
  check<ShapeError>(shape.numel() == numel(), "reshape: ", shape_, " has ", numel(), " elements, but ", shape, " has ",
                    shape.numel());
  return segment(0, shape);
}

Tensor Tensor::reshape(std::initializer_list<std::int64_t> dims) const {
  std::vector<std::int64_t> sizes(dims);
  std::int64_t known = 1;
  std::int64_t* missing = nullptr;
  for (auto& size : sizes) {
    if (size == -1) {
      check<ShapeError>(missing == nullptr, "reshape: only one size may be -1");
      missing = &size;
    } else {
      known *= size;
    }
  }
  if (missing) {
    check<ShapeError>(known > 0 && numel() % known == 0, "reshape: ", shape_, " has ", numel(),
                      " elements, which the given sizes (product ", known, ") do not divide");
    *missing = numel() / known;
  }
  return reshape(Shape(std::span<const std::int64_t>(sizes)));
}

Tensor Tensor::segment(std::int64_t offset, const Shape& shape) const {
  check<ShapeError>(offset >= 0 && offset + shape.numel() <= numel(), "segment: ", shape.numel(), " elements from ", offset,
                    " do not lie within ", shape_);
  Tensor t = *this;
  t.shape_ = shape;
  t.offset_ += offset * size_of(dtype_);
  return t;
}

Tensor Tensor::clone() const {
  Tensor t(shape_, dtype_, device());
  backend().run(kernel::Copy{*this, t});
  return t;
}

Tensor Tensor::to(Dtype dtype) const {
  if (dtype == dtype_) return *this;
  Tensor t(shape_, dtype, device());
  backend().run(kernel::Copy{*this, t});
  return t;
}

Tensor Tensor::to(const Device& target) const {
  if (device() == target) return *this;
  Tensor t(shape_, dtype_, target);
  t.copy_from(*this);
  return t;
}

void Tensor::copy_from(const Tensor& source) const {
  check<ShapeError>(shape_ == source.shape_, "copy_from: a tensor ", shape_, " cannot hold one of ", source.shape_);
  if (device() == source.device()) {
    backend().run(kernel::Copy{source, *this});
    return;
  }
  std::vector<std::byte> host(source.bytes());
  source.download(host.data());
  if (dtype_ == source.dtype_) {
    backend().upload(host.data(), *this);
  } else {
    backend().run(kernel::Copy{from_bytes(host.data(), shape_, source.dtype_, device()), *this});
  }
}

void Tensor::fill(double value) const { backend().run(kernel::Fill{*this, value}); }

void Tensor::download(void* host) const { backend().download(*this, host); }

double Tensor::item() const {
  check<ShapeError>(numel() == 1, "item: the tensor ", shape_, " has ", numel(), " elements, not one");
  return to(Dtype::f64).to_vector<double>()[0];
}

bool Tensor::is_unique() const { return storage_.use_count() == 1 && bytes() == storage_->bytes(); }

bool Tensor::same_memory(const Tensor& other) const {
  return storage_ && storage_ == other.storage_ && offset_ == other.offset_;
}

}  // namespace mec
