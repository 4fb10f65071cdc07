// ONNX's operators as its specification has them, for the graphs of encoders: plain loops in f64.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "mec/nn/onnx/onnx_graph.h"

namespace mec::test {

struct Plane {
  std::vector<std::int64_t> sizes;
  std::vector<float> values;
};

class OnnxRun {
 public:
  OnnxRun(const OnnxGraph& graph, Plane input) {
    values_[graph.input.name] = std::move(input);
    for (const OnnxTensor& t : graph.tensors) values_[t.name] = {t.sizes, t.values};
    for (const OnnxNode& node : graph.nodes) {
      CAPTURE(node.output);
      REQUIRE_FALSE(values_.contains(node.output));
      values_[node.output] = run(node);
    }
    result = values_.at(graph.output.name);
  }
  Plane result;

 private:
  using Ints = std::vector<std::int64_t>;

  template <class T> static T attribute(const OnnxNode& node, const std::string& name, T otherwise) {
    for (const OnnxAttribute& a : node.attributes) {
      if (a.name == name) return std::get<T>(a.value);
    }
    return otherwise;
  }
  const Plane& in(const OnnxNode& node, std::size_t i) const { return values_.at(node.inputs.at(i)); }

  // One value of each window: what(n, channel, first row, first column).
  template <class F> static Plane over_windows(const OnnxNode& node, const Plane& x, std::int64_t channels, const F& what) {
    const Ints kernel = attribute<Ints>(node, "kernel_shape", {}), strides = attribute<Ints>(node, "strides", {1, 1});
    const Ints pads = attribute<Ints>(node, "pads", {0, 0, 0, 0});
    const bool ceil = attribute<std::int64_t>(node, "ceil_mode", 0) == 1;
    const auto outputs = [&](std::size_t i) {
      const std::int64_t room = x.sizes[i + 2] + pads[i] + pads[i + 2] - kernel[i];
      return (room + (ceil ? strides[i] - 1 : 0)) / strides[i] + 1;
    };
    Plane y{{x.sizes[0], channels, outputs(0), outputs(1)}, {}};
    for (std::int64_t n = 0; n < y.sizes[0]; ++n) {
      for (std::int64_t c = 0; c < channels; ++c) {
        for (std::int64_t h = 0; h < y.sizes[2]; ++h) {
          for (std::int64_t w = 0; w < y.sizes[3]; ++w) {
            y.values.push_back(static_cast<float>(what(n, c, h * strides[0] - pads[0], w * strides[1] - pads[1], kernel)));
          }
        }
      }
    }
    return y;
  }
  static const float* pixel(const Plane& x, std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w) {
    if (h < 0 || w < 0 || h >= x.sizes[2] || w >= x.sizes[3]) return nullptr;
    return &x.values[static_cast<std::size_t>(((n * x.sizes[1] + c) * x.sizes[2] + h) * x.sizes[3] + w)];
  }

  Plane conv(const OnnxNode& node) const {
    const Plane &x = in(node, 0), &weight = in(node, 1);
    return over_windows(node, x, weight.sizes[0], [&](auto n, auto o, auto top, auto left, const Ints& k) {
      double sum = node.inputs.size() > 2 ? in(node, 2).values[static_cast<std::size_t>(o)] : 0;
      for (std::int64_t c = 0; c < x.sizes[1]; ++c) {
        for (std::int64_t i = 0; i < k[0] * k[1]; ++i) {
          const float* const p = pixel(x, n, c, top + i / k[1], left + i % k[1]);
          if (p) sum += static_cast<double>(*p) * *pixel(weight, o, c, i / k[1], i % k[1]);
        }
      }
      return sum;
    });
  }
  Plane pool(const OnnxNode& node, bool largest) const {
    const Plane& x = in(node, 0);
    return over_windows(node, x, x.sizes[1], [&](auto n, auto c, auto top, auto left, const Ints& k) {
      double most = -std::numeric_limits<double>::infinity(), sum = 0;
      int found = 0;
      for (std::int64_t i = 0; i < k[0] * k[1]; ++i) {
        const float* const p = pixel(x, n, c, top + i / k[1], left + i % k[1]);
        if (!p) continue;
        most = std::max<double>(most, *p);
        sum += *p;
        ++found;
      }
      return largest ? most : sum / found;
    });
  }
  // y of each value and its channel, the second dimension.
  template <class F> static Plane each(const Plane& x, const F& what) {
    Plane y{x.sizes, {}};
    const std::int64_t inner = x.sizes[2] * x.sizes[3];
    for (std::size_t i = 0; i < x.values.size(); ++i) {
      const auto c = static_cast<std::size_t>(static_cast<std::int64_t>(i) / inner % x.sizes[1]);
      y.values.push_back(static_cast<float>(what(static_cast<double>(x.values[i]), c, i)));
    }
    return y;
  }
  // An attribute that is not computed with here would make this no check of it.
  static void check_attributes(const OnnxNode& node) {
    static const std::map<std::string, std::set<std::string>> known{
        {"Conv", {"kernel_shape", "strides", "pads"}},
        {"MaxPool", {"kernel_shape", "strides", "pads", "ceil_mode"}},
        {"AveragePool", {"kernel_shape", "strides", "pads", "ceil_mode", "count_include_pad"}},
        {"BatchNormalization", {"epsilon"}},
        {"Cast", {"to"}},
        {"Flatten", {"axis"}},
        {"Transpose", {"perm"}}};
    const auto of_op = known.find(node.op);
    for (const OnnxAttribute& a : node.attributes) {
      CAPTURE(a.name);
      REQUIRE(of_op != known.end());
      REQUIRE(of_op->second.contains(a.name));
    }
    REQUIRE(attribute<std::int64_t>(node, "count_include_pad", 0) == 0);  // ours divides by the pixels that there are
    REQUIRE(attribute<std::int64_t>(node, "to", 1) == 1);                 // FLOAT
    REQUIRE(attribute<std::int64_t>(node, "axis", 1) == 1);
  }
  Plane run(const OnnxNode& node) const {
    check_attributes(node);
    const Plane& x = in(node, 0);
    if (node.op == "Conv") return conv(node);
    if (node.op == "MaxPool") return pool(node, true);
    if (node.op == "AveragePool") return pool(node, false);
    if (node.op == "Relu") return each(x, [](double v, auto, auto) { return std::max(v, 0.0); });
    if (node.op == "Cast") return x;
    if (node.op == "Transpose") return transposed(x, attribute<Ints>(node, "perm", {}));
    if (node.op == "Flatten") return {{x.sizes[0], x.sizes[1]}, x.values};
    if (node.op == "Add" || node.op == "Mul") {
      const Plane& b = in(node, 1);
      const bool whole = b.sizes == x.sizes;
      return each(x, [&](double v, auto c, auto i) {
        const double other = b.values[whole ? i : c];
        return node.op == "Add" ? v + other : v * other;
      });
    }
    if (node.op == "BatchNormalization") {
      const double eps = attribute(node, "epsilon", 1e-5F);
      return each(x, [&](double v, auto c, auto) {
        return (v - in(node, 3).values[c]) / std::sqrt(in(node, 4).values[c] + eps) * in(node, 1).values[c] +
               in(node, 2).values[c];
      });
    }
    REQUIRE(node.op == "GlobalAveragePool");
    OnnxNode all = node;
    all.attributes = {{"kernel_shape", Ints{x.sizes[2], x.sizes[3]}}};
    return pool(all, false);
  }
  static Plane transposed(const Plane& x, const Ints& order) {
    REQUIRE(order == Ints{0, 3, 1, 2});
    Plane y{{x.sizes[0], x.sizes[3], x.sizes[1], x.sizes[2]}, std::vector<float>(x.values.size())};
    const auto pixels = static_cast<std::size_t>(x.sizes[1] * x.sizes[2]), channels = static_cast<std::size_t>(x.sizes[3]);
    for (std::size_t i = 0; i < x.values.size(); ++i) {
      const std::size_t n = i / (pixels * channels), p = i / channels % pixels, c = i % channels;
      y.values[(n * channels + c) * pixels + p] = x.values[i];
    }
    return y;
  }

  std::map<std::string, Plane> values_;
};

inline Plane run_onnx(const OnnxGraph& graph, std::vector<std::int64_t> sizes, std::vector<float> values) {
  return OnnxRun(graph, {std::move(sizes), std::move(values)}).result;
}

}  // namespace mec::test
