#include "mec/autograd/ops/dimension.h"

#include "mec/autograd/ops/elementwise.h"
#include "mec/tensor/ops/dimension.h"
#include "mec/tensor/ops/elementwise.h"

namespace mec {

Variable sum(const Variable& x, int dim, bool keepdim) {
  return record("sum", sum(x.data(), dim, keepdim), {x},
                [shape = x.shape(), dim, dtype = x.data().dtype()](const Tensor& dy, const Needs&) -> Grads {
                  return {expand(dy.to(dtype).reshape(shape.with_dim(dim, 1)), shape)};
                });
}

Variable mean(const Variable& x, int dim, bool keepdim) {
  const Variable sums = sum(x, dim, keepdim);
  return scale(sums, 1.0 / static_cast<double>(x.shape().dim(dim)));
}

Variable max(const Variable& x, int dim, bool keepdim) {
  const Max result = max(x.data(), dim, keepdim);
  return record("max", result.values, {x},
                [places = result.indices, shape = x.shape(), dim](const Tensor& dy, const Needs&) -> Grads {
                  return {max_grad(places, dy, shape, dim)};
                });
}

Variable max(const Variable& x) {
  check<ShapeError>(x.shape().numel() > 0, "max: there is nothing in ", x.shape());
  return max(reshape(x, {x.shape().numel()}), 0);
}

Variable softmax(const Variable& x, int dim) {
  const Tensor y = softmax(x.data(), dim);
  return record("softmax", y, {x}, [y, dim](const Tensor& dy, const Needs&) -> Grads { return {softmax_grad(y, dy, dim)}; });
}

Variable log_softmax(const Variable& x, int dim) {
  const Tensor y = log_softmax(x.data(), dim);
  return record("log_softmax", y, {x},
                [y, dim](const Tensor& dy, const Needs&) -> Grads { return {log_softmax_grad(y, dy, dim)}; });
}

Variable cat(const std::vector<Variable>& parts, int dim) {
  std::vector<Tensor> data;
  std::vector<std::int64_t> sizes;
  for (const Variable& part : parts) data.push_back(part.data());
  const Tensor joined = cat(data, dim);
  for (const Tensor& part : data) sizes.push_back(part.dim(dim));
  return record("cat", joined, parts, [sizes, dim](const Tensor& dy, const Needs& need) -> Grads {
    Grads grads;
    std::int64_t at = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      grads.push_back(need[i] ? slice(dy, at, at + sizes[i], dim) : Tensor{});
      at += sizes[i];
    }
    return grads;
  });
}

Variable slice(const Variable& x, std::int64_t begin, std::int64_t end, int dim) {
  return record("slice", slice(x.data(), begin, end, dim), {x},
                [shape = x.shape(), begin, end, dim](const Tensor& dy, const Needs&) -> Grads {
                  const auto zeros = [&](std::int64_t size) {
                    return Tensor::zeros(shape.with_dim(dim, size), dy.dtype(), dy.device());
                  };
                  return {cat({zeros(begin), dy, zeros(shape.dim(dim) - end)}, dim)};
                });
}

}  // namespace mec
