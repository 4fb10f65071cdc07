// What oneDNN 2 and 3 spell differently: a primitive descriptor is made from an operation
// descriptor in 2, directly in 3.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

namespace mec::cpu::api {

using dnnl::memory;

struct ConvGeometry {
  // OneDNN counts a dense kernel as dilation 0.
  memory::dims stride, dilation, pad_before, pad_after;
};

inline dnnl::primitive_attr scratchpad_by_user() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

constexpr auto kDirect = dnnl::algorithm::convolution_direct;
constexpr auto kTraining = dnnl::prop_kind::forward_training;

#if DNNL_VERSION_MAJOR >= 3

inline auto forward_pd(const dnnl::engine& engine, const memory::desc& x, const memory::desc& w, const memory::desc& y,
                       const ConvGeometry& g) {
  return dnnl::convolution_forward::primitive_desc(engine, kTraining, kDirect, x, w, y, g.stride, g.dilation, g.pad_before,
                                                   g.pad_after, scratchpad_by_user());
}
inline auto grad_input_pd(const dnnl::engine& engine, const memory::desc& dx, const memory::desc& w, const memory::desc& dy,
                          const ConvGeometry& g, const dnnl::convolution_forward::primitive_desc& hint) {
  return dnnl::convolution_backward_data::primitive_desc(engine, kDirect, dx, w, dy, g.stride, g.dilation, g.pad_before,
                                                         g.pad_after, hint, scratchpad_by_user());
}
inline auto grad_weight_pd(const dnnl::engine& engine, const memory::desc& x, const memory::desc& dw, const memory::desc& dy,
                           const ConvGeometry& g, const dnnl::convolution_forward::primitive_desc& hint) {
  return dnnl::convolution_backward_weights::primitive_desc(engine, kDirect, x, dw, dy, g.stride, g.dilation, g.pad_before,
                                                            g.pad_after, hint, scratchpad_by_user());
}
inline auto matmul_pd(const dnnl::engine& engine, const memory::desc& a, const memory::desc& b, const memory::desc& c,
                      const dnnl::primitive_attr& attr) {
  return dnnl::matmul::primitive_desc(engine, a, b, c, attr);
}

#else

inline auto forward_pd(const dnnl::engine& engine, const memory::desc& x, const memory::desc& w, const memory::desc& y,
                       const ConvGeometry& g) {
  return dnnl::convolution_forward::primitive_desc(
      {kTraining, kDirect, x, w, y, g.stride, g.dilation, g.pad_before, g.pad_after}, scratchpad_by_user(), engine);
}
inline auto grad_input_pd(const dnnl::engine& engine, const memory::desc& dx, const memory::desc& w, const memory::desc& dy,
                          const ConvGeometry& g, const dnnl::convolution_forward::primitive_desc& hint) {
  return dnnl::convolution_backward_data::primitive_desc({kDirect, dx, w, dy, g.stride, g.dilation, g.pad_before, g.pad_after},
                                                         scratchpad_by_user(), engine, hint);
}
inline auto grad_weight_pd(const dnnl::engine& engine, const memory::desc& x, const memory::desc& dw, const memory::desc& dy,
                           const ConvGeometry& g, const dnnl::convolution_forward::primitive_desc& hint) {
  return dnnl::convolution_backward_weights::primitive_desc(
      {kDirect, x, dw, dy, g.stride, g.dilation, g.pad_before, g.pad_after}, scratchpad_by_user(), engine, hint);
}
inline auto matmul_pd(const dnnl::engine& engine, const memory::desc& a, const memory::desc& b, const memory::desc& c,
                      const dnnl::primitive_attr& attr) {
  return dnnl::matmul::primitive_desc({a, b, c}, attr, engine);
}

#endif

}  // namespace mec::cpu::api
