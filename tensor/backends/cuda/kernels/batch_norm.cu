// Batch norm is what a ResNet's step spends most of its bytes on, so its kernels move each byte
// once: statistics read x; apply reads x (and a residual) and writes y; the gradient's sums read dy
// and x (and y); its application reads the same and writes dx (and dadd).
//
// The kernels that sum go from the last row to the first, those that apply from the first to the
// last: each begins with the rows that the kernel before it touched last, which may still lie in
// the L2 cache.
#include <cmath>
#include <limits>

#include "mec/tensor/backends/cuda/kernels/columns.h"

namespace mec::cuda::MEC_SIMT {
namespace {

// Mean and sum of squared deviations of n values. Sums of x and x² would lose every digit when the
// mean is large.
template <class A> struct Moments { A mean, m2, n; };

template <class A> struct MomentsResult {
  using State = Moments<A>;
  A *mean, *var;

  static SIMT_DEVICE State zero() { return {A(0), A(0), A(0)}; }
  // Chan, Golub & LeVeque 1983. Where both are empty there is nothing to divide by.
  static SIMT_DEVICE void merge(State& a, const State& b) {
    const A n = a.n + b.n, share = n > A(0) ? b.n / n : A(0), d = b.mean - a.mean;
    a.m2 += b.m2 + d * d * a.n * share;
    a.mean += d * share;
    a.n = n;
  }
  SIMT_DEVICE void store(std::int64_t c, const State& s) const {
    const A nan = std::numeric_limits<A>::quiet_NaN();
    const bool finite = functor::is_finite(s.mean);
    mean[c] = finite ? s.mean : nan;
    var[c] = finite ? s.m2 / s.n : nan;
  }
};

// Welford's recurrence over the rows of a thread: one division per row serves V channels.
template <class T> struct MomentsSource {
  const T* x;
  template <int V>
  SIMT_DEVICE void fold(const Columns& matrix, const ColumnPlace& place, Moments<Accumulator<T>> (&state)[V]) const {
    using A = Accumulator<T>;
    A n = 0, mean[V] = {}, m2[V] = {};
    for_each_loaded<4>(
        place.first, place.step, place.end, [&](std::int64_t i) { return load_pack<V>(x + from_the_end(place, matrix, i)); },
        [&](std::int64_t, const Pack<T, V>& in) {
          n += A(1);
          const A share = A(1) / n;
          for (int v = 0; v < V; ++v) {
            const A value = A(in.at[v]), d = value - mean[v];
            mean[v] += d * share;
            m2[v] += d * (value - mean[v]);
          }
        });
    for (int v = 0; v < V; ++v) state[v] = {mean[v], m2[v], n};
  }
};

// What a channel is normalised with. gamma and beta may be null.
template <class A> struct Channels {
  const A *mean, *var, *gamma, *beta;
  A eps;

  SIMT_DEVICE A scale(std::int64_t c) const { return gamma ? gamma[c] : A(1); }
  SIMT_DEVICE functor::ChannelAffine<A> affine(std::int64_t c) const {
    return functor::ChannelAffine<A>::of(mean[c], var[c], scale(c), beta ? beta[c] : A(0), eps);
  }
};

template <class A> Channels<A> channels_of(In mean, In var, In gamma, In beta, const BatchNormArgs& args) {
  return {mean.as<A>(), var.as<A>(), gamma.as<A>(), beta.as<A>(), A(args.eps)};
}

// `add` may be null. Its branch and the ReLU's are the same for all threads and cost nothing beside
// the memory.
template <int V, class T>
SIMT_KERNEL apply_kernel(Columns matrix, const T* x, Channels<Accumulator<T>> channels, const T* add, T* y, bool relu) {
  using A = Accumulator<T>;
  const ColumnPlace place = column_place(matrix, simt::block_y(), simt::blocks_y());
  if (!place.inside) return;
  functor::ChannelAffine<A> affine[V];
  for (int v = 0; v < V; ++v) affine[v] = channels.affine(place.channel + v);
  struct Row {
    Pack<T, V> x, add;
  };
  for_each_loaded<2>(
      place.first, place.step, place.end,
      [&](std::int64_t i) {
        Row in;
        in.x = load_pack<V>(x + i);
        if (add) in.add = load_pack<V>(add + i);
        return in;
      },
      [&](std::int64_t i, const Row& in) {
        Pack<T, V> out;
        for (int v = 0; v < V; ++v) {
          A value = affine[v](A(in.x.at[v]));
          if (add) value += A(in.add.at[v]);
          out.at[v] = T(relu ? functor::Relu::value(value) : value);
        }
        store_pack<V>(y + i, out);
      });
}

// What tells whether a ReLU lets the gradient through: no ReLU, the output itself, or the input
// through the affine map, in the expression that the forward kernel used.
enum class Mask : std::uint8_t { none, output, input };

// Calls f.template operator()<Mask>() for the mask of a call: a kernel that knows it has registers
// for more rows at a time.
template <class F> void with_mask(In y, const BatchNormArgs& args, F&& f) {
  if (!args.relu) f.template operator()<Mask::none>();
  else if (y) f.template operator()<Mask::output>();
  else f.template operator()<Mask::input>();
}

// The rows of dy, x and, where it is the mask, y.
template <class T, Mask kMask> struct GradientRows {
  const T *dy, *x, *y;

  template <int V> struct Row { Pack<T, V> dy, x, y; };
  template <int V> SIMT_DEVICE Row<V> load(std::int64_t i) const {
    Row<V> in;
    in.dy = load_pack<V>(dy + i);
    in.x = load_pack<V>(x + i);
    if constexpr (kMask == Mask::output) in.y = load_pack<V>(y + i);
    return in;
  }
  // dy where the ReLU lets it through, else 0.
  template <int V, class A> SIMT_DEVICE static A masked(const Row<V>& in, int v, const functor::ChannelAffine<A>& affine) {
    const A g = A(in.dy.at[v]);
    if constexpr (kMask == Mask::none) return g;
    const A output = kMask == Mask::output ? A(in.y.at[v]) : affine(A(in.x.at[v]));
    return functor::Relu::grad(g, output, output);
  }
};

template <class A> struct GradientSums { A g, product; };  // Σ g and Σ g (x − mean)

template <class A> struct GradientResult {
  using State = GradientSums<A>;
  const A* var;
  A eps;
  A *dgamma, *dbeta;

  static SIMT_DEVICE State zero() { return {A(0), A(0)}; }
  static SIMT_DEVICE void merge(State& a, const State& b) {
    a.g += b.g;
    a.product += b.product;
  }
  SIMT_DEVICE void store(std::int64_t c, const State& s) const {
    dbeta[c] = s.g;
    dgamma[c] = s.product / std::sqrt(var[c] + eps);
  }
};

template <class T, Mask kMask> struct GradientSource {
  GradientRows<T, kMask> rows;
  Channels<Accumulator<T>> channels;

  template <int V>
  SIMT_DEVICE void fold(const Columns& matrix, const ColumnPlace& place, GradientSums<Accumulator<T>> (&state)[V]) const {
    using A = Accumulator<T>;
    A mean[V];
    functor::ChannelAffine<A> affine[V];
    for (int v = 0; v < V; ++v) {
      mean[v] = channels.mean[place.channel + v];
      affine[v] = channels.affine(place.channel + v);
    }
    for_each_loaded<2>(
        place.first, place.step, place.end,
        [&](std::int64_t i) { return rows.template load<V>(from_the_end(place, matrix, i)); },
        [&](std::int64_t, const auto& in) {
          for (int v = 0; v < V; ++v) {
            const A g = rows.masked(in, v, affine[v]);
            state[v].g += g;
            state[v].product += g * (A(in.x.at[v]) - mean[v]);
          }
        });
  }
};

// dx may be dy, and dadd null: a thread reads its rows before it writes them. Five numbers of each
// of eight channels are 40 registers; left alone, nvcc takes 95, and the two blocks that then fit
// on a multiprocessor have too few loads in flight.
template <int V, Mask kMask, class T>
SIMT_KERNEL_SHARING(3)
grad_apply_kernel(Columns matrix, GradientRows<T, kMask> rows, Channels<Accumulator<T>> channels, const Accumulator<T>* dgamma,
                  const Accumulator<T>* dbeta, Accumulator<T> count, T* dx, T* dadd) {
  using A = Accumulator<T>;
  const ColumnPlace place = column_place(matrix, simt::block_y(), simt::blocks_y());
  if (!place.inside) return;
  functor::BatchNormGrad<A> gradient[V];
  functor::ChannelAffine<A> affine[V];
  for (int v = 0; v < V; ++v) {
    const std::int64_t c = place.channel + v;
    gradient[v] = functor::BatchNormGrad<A>::of(channels.mean[c], channels.var[c], channels.scale(c), channels.eps, dgamma[c],
                                                dbeta[c], count);
    affine[v] = channels.affine(c);
  }
  for_each_loaded<2>(
      place.first, place.step, place.end, [&](std::int64_t i) { return rows.template load<V>(i); },
      [&](std::int64_t i, const auto& in) {
        Pack<T, V> out, out_add;
        for (int v = 0; v < V; ++v) {
          const A g = rows.masked(in, v, affine[v]);
          out.at[v] = T(gradient[v](g, A(in.x.at[v])));
          out_add.at[v] = T(g);
        }
        store_pack<V>(dx + i, out);
        if (dadd) store_pack<V>(dadd + i, out_add);
      });
}

// Least rows per thread in the kernels that apply: a thread computes a square root and a quotient
// for each channel before it begins.
constexpr std::int64_t kRowsPerThread = 8;

}  // namespace

void run(KernelBackend& device, const kernel::BatchNormStatistics& call) {
  const std::int64_t channels = call.mean.numel(), rows = call.x.numel() / channels;
  dispatch_floating(call.name, call.x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    device.with_pack_size<T>(rows_of_packs<T>(channels, call.x.data), [&]<int V>() {
      device.fold_columns<V>(call.name, columns_of(rows, channels, V), MomentsSource<T>{call.x.as<T>()},
                             MomentsResult<A>{call.mean.as<A>(), call.var.as<A>()});
    });
  });
}

void run(KernelBackend& device, const kernel::BatchNormApply& call) {
  const std::int64_t channels = call.mean.numel(), rows = call.x.numel() / channels;
  dispatch_floating(call.name, call.x.dtype, [&]<class T>() {
    device.with_pack_size<T>(rows_of_packs<T>(channels, call.x.data, call.add.data, call.y.data), [&]<int V>() {
      const Columns matrix = columns_of(rows, channels, V);
      simt::launch(call.name, apply_kernel<V, T>, device.grid_for_rows(matrix, chunks_of(matrix, kRowsPerThread)),
                   device.stream(), matrix, call.x.as<T>(),
                   channels_of<Accumulator<T>>(call.mean, call.var, call.gamma, call.beta, call.args), call.add.as<T>(),
                   call.y.as<T>(), call.args.relu);
    });
  });
}

void run(KernelBackend& device, const kernel::BatchNormGradReduce& call) {
  const std::int64_t channels = call.mean.numel(), rows = call.x.numel() / channels;
  dispatch_floating(call.name, call.x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    const GradientResult<A> result{call.var.as<A>(), A(call.args.eps), call.dgamma.as<A>(), call.dbeta.as<A>()};
    device.with_pack_size<T>(rows_of_packs<T>(channels, call.dy.data, call.x.data, call.y.data), [&]<int V>() {
      with_mask(call.y, call.args, [&]<Mask kMask>() {
        const GradientSource<T, kMask> source{{call.dy.as<T>(), call.x.as<T>(), call.y.as<T>()},
                                              channels_of<A>(call.mean, call.var, call.gamma, call.beta, call.args)};
        device.fold_columns<V>(call.name, columns_of(rows, channels, V), source, result);
      });
    });
  });
}

void run(KernelBackend& device, const kernel::BatchNormGradApply& call) {
  const std::int64_t channels = call.mean.numel(), rows = call.x.numel() / channels;
  dispatch_floating(call.name, call.x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    device.with_pack_size<T>(
        rows_of_packs<T>(channels, call.dy.data, call.x.data, call.y.data, call.dx.data, call.dadd.data), [&]<int V>() {
          const Columns matrix = columns_of(rows, channels, V);
          const simt::Grid grid = device.grid_for_rows(matrix, chunks_of(matrix, kRowsPerThread));
          with_mask(call.y, call.args, [&]<Mask kMask>() {
            simt::launch(call.name, grad_apply_kernel<V, kMask, T>, grid, device.stream(), matrix,
                         GradientRows<T, kMask>{call.dy.as<T>(), call.x.as<T>(), call.y.as<T>()},
                         channels_of<A>(call.mean, call.var, call.gamma, call.beta, call.args), call.dgamma.as<A>(),
                         call.dbeta.as<A>(), A(call.count), call.dx.as<T>(), call.dadd.as<T>());
          });
        });
  });
}

constinit const BatchNormKernels batch_norm_kernels = KernelsOf<KernelBackend, BatchNormKernels>::table;

}  // namespace mec::cuda::MEC_SIMT
