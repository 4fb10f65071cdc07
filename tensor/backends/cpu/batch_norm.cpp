// Batch norm reads and writes memory as few times as it can (two passes each way) and runs at the
// speed of a copy.
#include <cmath>

#include "mec/tensor/backends/cpu/loops.h"
#include "mec/tensor/backends/cpu/tiles.h"

namespace mec::cpu::MEC_ISA {
namespace {

template <class A> const A* data_of(const In& view) { return static_cast<const A*>(view.data); }

template <class A>
void fill_affine(functor::ChannelAffine<A>* table, std::int64_t channels, const In& mean, const In& var, const In& gamma,
                 const In& beta, double eps) {
  for (std::int64_t c = 0; c < channels; ++c) {
    table[c] = functor::ChannelAffine<A>::of(data_of<A>(mean)[c], data_of<A>(var)[c], gamma.data ? data_of<A>(gamma)[c] : A(1),
                                             beta.data ? data_of<A>(beta)[c] : A(0), A(eps));
  }
}

// What tells whether a ReLU lets the gradient through: no ReLU, the output itself, or the input
// through the affine map.
enum class Mask { none, output, input };

// Calls f.template operator()<Mask>() for the mask of a call.
template <class F> void with_mask(const In& y, const BatchNormArgs& args, F&& f) {
  if (!args.relu) f.template operator()<Mask::none>();
  else if (y.data) f.template operator()<Mask::output>();
  else f.template operator()<Mask::input>();
}

// dy[i] where the ReLU lets it through, else 0.
template <Mask kMask, class T, class A>
A masked(const T* dy, const T* y, std::int64_t i, A in, const functor::ChannelAffine<A>& affine) {
  const A g = A(dy[i]);
  if constexpr (kMask == Mask::none) return g;
  const A output = kMask == Mask::output ? A(y[i]) : affine(in);
  return functor::Relu::grad(g, output, output);
}

}  // namespace

// Each chunk sums x − k and (x − k)², with k its own first row: then no digits are lost to a large
// mean.
void run(LoopsBackend& device, const kernel::BatchNormStatistics& call) {
  const Cut cut(numel(call.x.shape), numel(call.mean.shape), kSumWidth);
  with_floating(call.x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    const std::size_t values = static_cast<std::size_t>(cut.chunks * cut.width);
    const CpuBackend::Scratch scratch(device, 2 * values * sizeof(A));
    // (chunks, width): mean and sum of squared deviations.
    A* const means = reinterpret_cast<A*>(scratch.data());
    A* const squares = means + values;
    const T* const in = static_cast<const T*>(call.x.data);
    parallel_tasks(device.team(), cut.tasks(), [=](std::int64_t task) {
      const Tile tile(cut, task);
      A centre[kPanel] = {}, sum[kPanel] = {}, square[kPanel] = {};
      const std::int64_t first = tile.top * cut.width + tile.left;
      for (std::int64_t v = 0; v < (tile.rows ? tile.columns : tile.last_columns); ++v) centre[v] = A(in[first + v]);
      for_rows<kSumRows>(cut, tile, [&]<class R>(std::int64_t at, std::int64_t columns, R) {
        const T* const row = in + at;
#pragma omp simd
        for (std::int64_t v = 0; v < columns; ++v) {
          A s = sum[v], q = square[v];
          for (std::int64_t r = 0; r < R::count; ++r) {
            const A d = A(row[r * cut.width + v]) - centre[v];
            s += d;
            q += d * d;
          }
          sum[v] = s;
          square[v] = q;
        }
      });
      for (std::int64_t v = 0; v < tile.columns; ++v) {
        const A n = A(larger(tile.count(v), 1)), shift = sum[v] / n;
        means[tile.chunk * cut.width + tile.left + v] = centre[v] + shift;
        squares[tile.chunk * cut.width + tile.left + v] = square[v] - sum[v] * shift;
      }
    });

    // Σ (x − m)² = Σ over chunks of their own squares + n·(their mean − m)²
    A* const mean_out = static_cast<A*>(call.mean.data);
    A* const var_out = static_cast<A*>(call.var.data);
    const double rows = static_cast<double>(cut.size / cut.channels);
    parallel_for(device.team(), cut.channels, larger(kGrain / (cut.chunks * cut.fold), 1),
                 [=](std::int64_t begin, std::int64_t end) {
                   const auto for_parts = [&](std::int64_t c, auto f) {
                     for (std::int64_t chunk = 0; chunk < cut.chunks; ++chunk) {
                       for (std::int64_t v = c; v < cut.width; v += cut.channels) {
                         const Tile tile(cut, chunk * cut.panels + v / kPanel);
                         f(chunk * cut.width + v, static_cast<double>(tile.count(v - tile.left)));
                       }
                     }
                   };
                   for (std::int64_t c = begin; c < end; ++c) {
                     double total = 0, deviation = 0;
                     for_parts(c, [&](std::int64_t i, double n) { total += n * static_cast<double>(means[i]); });
                     const double centre = total / rows;
                     for_parts(c, [&](std::int64_t i, double n) {
                       const double d = static_cast<double>(means[i]) - centre;
                       deviation += n > 0 ? static_cast<double>(squares[i]) + n * d * d : 0.0;
                     });
                     const bool finite = functor::is_finite(A(centre));
                     mean_out[c] = finite ? A(centre) : A(NAN);
                     var_out[c] = finite ? A(deviation > 0 || deviation != deviation ? deviation / rows : 0.0) : A(NAN);
                   }
                 });
  });
}

namespace {

template <class T, bool kAdd, bool kRelu>
void apply_tiles(Team team, const Cut& cut_, const T* in, const T* residual, T* out,
                 const functor::ChannelAffine<Accumulator<T>>* table) {
  using A = Accumulator<T>;
  const Cut cut = cut_;
  parallel_tasks(team, cut.tasks(), [=](std::int64_t task) {
    const Tile tile(cut, task);
    A scale[kPanel], shift[kPanel];
    per_column(cut, tile, scale, [&](std::int64_t c) { return table[c].scale; });
    per_column(cut, tile, shift, [&](std::int64_t c) { return table[c].shift; });
    for_rows<1>(cut, tile, [&](std::int64_t at, std::int64_t columns, Rows<1>) {
#pragma omp simd
      for (std::int64_t v = 0; v < columns; ++v) {
        A value = functor::ChannelAffine<A>{scale[v], shift[v]}(A(in[at + v]));
        if constexpr (kAdd) value += A(residual[at + v]);
        if constexpr (kRelu) value = functor::Relu::value(value);
        put(out[at + v], value);
      }
    });
  });
}

}  // namespace

void run(LoopsBackend& device, const kernel::BatchNormApply& call) {
  const Cut cut(numel(call.x.shape), numel(call.mean.shape), kMapWidth);
  with_floating(call.x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    using Affine = functor::ChannelAffine<A>;
    const CpuBackend::Scratch scratch(device, static_cast<std::size_t>(cut.channels) * sizeof(Affine));
    Affine* const table = reinterpret_cast<Affine*>(scratch.data());
    fill_affine(table, cut.channels, call.mean, call.var, call.gamma, call.beta, call.args.eps);
    const auto run = call.add.data ? (call.args.relu ? apply_tiles<T, true, true> : apply_tiles<T, true, false>)
                                   : (call.args.relu ? apply_tiles<T, false, true> : apply_tiles<T, false, false>);
    run(device.team(), cut, data_of<T>(call.x), data_of<T>(call.add), static_cast<T*>(call.y.data), table);
  });
}

namespace {

// Sums g and g·(x − mean) of each chunk into (chunks, width) each.
template <class T, Mask kMask>
void grad_sums(Team team, const Cut& cut_, const T* dy, const T* x, const T* y, const Accumulator<T>* mean,
               const functor::ChannelAffine<Accumulator<T>>* affine, Accumulator<T>* sums, Accumulator<T>* products) {
  using A = Accumulator<T>;
  const Cut cut = cut_;
  parallel_tasks(team, cut.tasks(), [=](std::int64_t task) {
    const Tile tile(cut, task);
    A centre[kPanel], scale[kPanel] = {}, shift[kPanel] = {}, sum[kPanel] = {}, product[kPanel] = {};
    per_column(cut, tile, centre, [&](std::int64_t c) { return mean[c]; });
    if constexpr (kMask == Mask::input) {
      per_column(cut, tile, scale, [&](std::int64_t c) { return affine[c].scale; });
      per_column(cut, tile, shift, [&](std::int64_t c) { return affine[c].shift; });
    }
    for_rows<kSumRows>(cut, tile, [&]<class R>(std::int64_t at, std::int64_t columns, R) {
#pragma omp simd
      for (std::int64_t v = 0; v < columns; ++v) {
        A s = sum[v], p = product[v];
        for (std::int64_t r = 0; r < R::count; ++r) {
          const std::int64_t i = at + r * cut.width + v;
          const A in = A(x[i]);
          const A g = masked<kMask>(dy, y, i, in, {scale[v], shift[v]});
          s += g;
          p += g * (in - centre[v]);
        }
        sum[v] = s;
        product[v] = p;
      }
    });
    for (std::int64_t v = 0; v < tile.columns; ++v) {
      sums[tile.chunk * cut.width + tile.left + v] = sum[v];
      products[tile.chunk * cut.width + tile.left + v] = product[v];
    }
  });
}

}  // namespace

void run(LoopsBackend& device, const kernel::BatchNormGradReduce& call) {
  const Cut cut(numel(call.x.shape), numel(call.mean.shape), kSumWidth);
  with_floating(call.x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    const std::size_t values = static_cast<std::size_t>(cut.chunks * cut.width);
    using Affine = functor::ChannelAffine<A>;
    const CpuBackend::Scratch scratch(device, 2 * values * sizeof(A) + static_cast<std::size_t>(cut.channels) * sizeof(Affine));
    A* const sums = reinterpret_cast<A*>(scratch.data());
    A* const products = sums + values;
    Affine* const affine = reinterpret_cast<Affine*>(products + values);
    fill_affine(affine, cut.channels, call.mean, call.var, call.gamma, call.beta, call.args.eps);
    with_mask(call.y, call.args, [&]<Mask kMask>() {
      grad_sums<T, kMask>(device.team(), cut, data_of<T>(call.dy), data_of<T>(call.x), data_of<T>(call.y),
                          data_of<A>(call.mean), affine, sums, products);
    });
    const A* const variance = data_of<A>(call.var);
    A* const dgamma_out = static_cast<A*>(call.dgamma.data);
    A* const dbeta_out = static_cast<A*>(call.dbeta.data);
    const double eps = call.args.eps;
    parallel_for(device.team(), cut.channels, larger(kGrain / (cut.chunks * cut.fold), 1),
                 [=](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t c = begin; c < end; ++c) {
                     dbeta_out[c] = A(sum_of_parts(cut, sums, c));
                     dgamma_out[c] = A(sum_of_parts(cut, products, c) / std::sqrt(static_cast<double>(variance[c]) + eps));
                   }
                 });
  });
}

namespace {

template <class T, Mask kMask, bool kAdd>
void grad_tiles(Team team, const Cut& cut_, const T* dy, const T* x, const T* y, T* dx, T* dadd,
                const functor::BatchNormGrad<Accumulator<T>>* table, const functor::ChannelAffine<Accumulator<T>>* affine) {
  using A = Accumulator<T>;
  const Cut cut = cut_;
  parallel_tasks(team, cut.tasks(), [=](std::int64_t task) {
    const Tile tile(cut, task);
    A a[kPanel], b[kPanel], c[kPanel], scale[kPanel] = {}, shift[kPanel] = {};
    per_column(cut, tile, a, [&](std::int64_t channel) { return table[channel].a; });
    per_column(cut, tile, b, [&](std::int64_t channel) { return table[channel].b; });
    per_column(cut, tile, c, [&](std::int64_t channel) { return table[channel].c; });
    if constexpr (kMask == Mask::input) {
      per_column(cut, tile, scale, [&](std::int64_t channel) { return affine[channel].scale; });
      per_column(cut, tile, shift, [&](std::int64_t channel) { return affine[channel].shift; });
    }
    for_rows<1>(cut, tile, [&](std::int64_t at, std::int64_t columns, Rows<1>) {
#pragma omp simd
      for (std::int64_t v = 0; v < columns; ++v) {
        const std::int64_t i = at + v;
        const A in = A(x[i]);
        const A g = masked<kMask>(dy, y, i, in, {scale[v], shift[v]});
        // dx may be dy: g has been read.
        put(dx[i], functor::BatchNormGrad<A>{a[v], b[v], c[v]}(g, in));
        if constexpr (kAdd) put(dadd[i], g);
      }
    });
  });
}

}  // namespace

void run(LoopsBackend& device, const kernel::BatchNormGradApply& call) {
  const Cut cut(numel(call.x.shape), numel(call.mean.shape), kMapWidth);
  with_floating(call.x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    using Gradient = functor::BatchNormGrad<A>;
    using Affine = functor::ChannelAffine<A>;
    const CpuBackend::Scratch scratch(device, static_cast<std::size_t>(cut.channels) * (sizeof(Gradient) + sizeof(Affine)));
    Gradient* const table = reinterpret_cast<Gradient*>(scratch.data());
    Affine* const affine = reinterpret_cast<Affine*>(table + cut.channels);
    for (std::int64_t c = 0; c < cut.channels; ++c) {
      table[c] =
          Gradient::of(data_of<A>(call.mean)[c], data_of<A>(call.var)[c], call.gamma.data ? data_of<A>(call.gamma)[c] : A(1),
                       A(call.args.eps), data_of<A>(call.dgamma)[c], data_of<A>(call.dbeta)[c], A(call.count));
    }
    fill_affine(affine, cut.channels, call.mean, call.var, call.gamma, call.beta, call.args.eps);
    with_mask(call.y, call.args, [&]<Mask kMask>() {
      const auto run = call.dadd.data ? grad_tiles<T, kMask, true> : grad_tiles<T, kMask, false>;
      run(device.team(), cut, data_of<T>(call.dy), data_of<T>(call.x), data_of<T>(call.y), static_cast<T*>(call.dx.data),
          static_cast<T*>(call.dadd.data), table, affine);
    });
  });
}

constinit const BatchNormKernels batch_norm_kernels = KernelsOf<LoopsBackend, BatchNormKernels>::table;

}  // namespace mec::cpu::MEC_ISA
