// Batch norm reads and writes memory as few times as it can (two passes each way) and runs at the speed of a copy.
#include <cmath>

#include "mec/tensor/cpu/loops.h"
#include "mec/tensor/cpu/tiles.h"

namespace mec::cpu::MEC_ISA {
namespace {

template <class A> const A* data_of(const ConstView& view) { return static_cast<const A*>(view.data); }

}  // namespace

// Each chunk sums x − k and (x − k)², with k its own first row: then no digits are lost to a large mean.
void LoopsBackend::batch_norm_statistics(ConstView x, View mean, View var) {
  const Cut cut(numel(x.shape), numel(mean.shape), kSumWidth);
  with_floating(x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    const std::size_t values = static_cast<std::size_t>(cut.chunks * cut.width);
    const Scratch scratch(*this, 2 * values * sizeof(A));
    A* const means = reinterpret_cast<A*>(scratch.data());  // (chunks, width): mean and sum of squared deviations
    A* const squares = means + values;
    const T* const in = static_cast<const T*>(x.data);
    parallel_tasks(threads(), cut.tasks(), [=](std::int64_t task) {
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
    A* const mean_out = static_cast<A*>(mean.data);
    A* const var_out = static_cast<A*>(var.data);
    const double rows = static_cast<double>(cut.size / cut.channels);
    parallel_for(threads(), cut.channels, larger(kGrain / (cut.chunks * cut.fold), 1),
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
                     mean_out[c] = A(centre);
                     var_out[c] = A(deviation > 0 || deviation != deviation ? deviation / rows : 0.0);
                   }
                 });
  });
}

namespace {

template <class T, bool kAdd, bool kRelu>
void apply_tiles(int threads, const Cut& cut_, const T* in, const T* residual, T* out,
                 const functor::ChannelAffine<Accumulator<T>>* table) {
  using A = Accumulator<T>;
  const Cut cut = cut_;
  parallel_tasks(threads, cut.tasks(), [=](std::int64_t task) {
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

void LoopsBackend::batch_norm_apply(ConstView x, ConstView mean, ConstView var, ConstView gamma, ConstView beta, ConstView add,
                                    View y, const BatchNormArgs& args) {
  const Cut cut(numel(x.shape), numel(mean.shape), kMapWidth);
  with_floating(x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    using Affine = functor::ChannelAffine<A>;
    const Scratch scratch(*this, static_cast<std::size_t>(cut.channels) * sizeof(Affine));
    Affine* const table = reinterpret_cast<Affine*>(scratch.data());
    for (std::int64_t c = 0; c < cut.channels; ++c) {
      table[c] = Affine::of(data_of<A>(mean)[c], data_of<A>(var)[c], gamma.data ? data_of<A>(gamma)[c] : A(1),
                            beta.data ? data_of<A>(beta)[c] : A(0), A(args.eps));
    }
    const auto run = add.data ? (args.relu ? apply_tiles<T, true, true> : apply_tiles<T, true, false>)
                              : (args.relu ? apply_tiles<T, false, true> : apply_tiles<T, false, false>);
    run(threads(), cut, data_of<T>(x), data_of<T>(add), static_cast<T*>(y.data), table);
  });
}

namespace {

// Sums g and g·(x − mean) of each chunk into (chunks, width) each.
template <class T, bool kRelu>
void grad_sums(int threads, const Cut& cut_, const T* dy, const T* x, const T* y, const Accumulator<T>* mean,
               Accumulator<T>* sums, Accumulator<T>* products) {
  using A = Accumulator<T>;
  const Cut cut = cut_;
  parallel_tasks(threads, cut.tasks(), [=](std::int64_t task) {
    const Tile tile(cut, task);
    A centre[kPanel], sum[kPanel] = {}, product[kPanel] = {};
    per_column(cut, tile, centre, [&](std::int64_t c) { return mean[c]; });
    for_rows<kSumRows>(cut, tile, [&]<class R>(std::int64_t at, std::int64_t columns, R) {
#pragma omp simd
      for (std::int64_t v = 0; v < columns; ++v) {
        A s = sum[v], p = product[v];
        for (std::int64_t r = 0; r < R::count; ++r) {
          const std::int64_t i = at + r * cut.width + v;
          A g = A(dy[i]);
          if constexpr (kRelu) g = A(y[i]) > A(0) ? g : A(0);
          s += g;
          p += g * (A(x[i]) - centre[v]);
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

void LoopsBackend::batch_norm_grad_reduce(ConstView dy, ConstView x, ConstView y, ConstView mean, ConstView var, View dgamma,
                                          View dbeta, const BatchNormArgs& args) {
  const Cut cut(numel(x.shape), numel(mean.shape), kSumWidth);
  with_floating(x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    const std::size_t values = static_cast<std::size_t>(cut.chunks * cut.width);
    const Scratch scratch(*this, 2 * values * sizeof(A));
    A* const sums = reinterpret_cast<A*>(scratch.data());
    A* const products = sums + values;
    const auto run = args.relu ? grad_sums<T, true> : grad_sums<T, false>;
    run(threads(), cut, data_of<T>(dy), data_of<T>(x), data_of<T>(y), data_of<A>(mean), sums, products);
    const A* const variance = data_of<A>(var);
    A* const dgamma_out = static_cast<A*>(dgamma.data);
    A* const dbeta_out = static_cast<A*>(dbeta.data);
    const double eps = args.eps;
    parallel_for(threads(), cut.channels, larger(kGrain / (cut.chunks * cut.fold), 1),
                 [=](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t c = begin; c < end; ++c) {
                     dbeta_out[c] = A(sum_of_parts(cut, sums, c));
                     dgamma_out[c] = A(sum_of_parts(cut, products, c) / std::sqrt(static_cast<double>(variance[c]) + eps));
                   }
                 });
  });
}

namespace {

template <class T, bool kRelu, bool kAdd>
void grad_tiles(int threads, const Cut& cut_, const T* dy, const T* x, const T* y, T* dx, T* dadd,
                const functor::BatchNormGrad<Accumulator<T>>* table) {
  using A = Accumulator<T>;
  const Cut cut = cut_;
  parallel_tasks(threads, cut.tasks(), [=](std::int64_t task) {
    const Tile tile(cut, task);
    A a[kPanel], b[kPanel], c[kPanel];
    per_column(cut, tile, a, [&](std::int64_t channel) { return table[channel].a; });
    per_column(cut, tile, b, [&](std::int64_t channel) { return table[channel].b; });
    per_column(cut, tile, c, [&](std::int64_t channel) { return table[channel].c; });
    for_rows<1>(cut, tile, [&](std::int64_t at, std::int64_t columns, Rows<1>) {
#pragma omp simd
      for (std::int64_t v = 0; v < columns; ++v) {
        const std::int64_t i = at + v;
        A g = A(dy[i]);
        if constexpr (kRelu) g = A(y[i]) > A(0) ? g : A(0);
        put(dx[i], functor::BatchNormGrad<A>{a[v], b[v], c[v]}(g, A(x[i])));  // dx may be dy: g has been read
        if constexpr (kAdd) put(dadd[i], g);
      }
    });
  });
}

}  // namespace

void LoopsBackend::batch_norm_grad_apply(ConstView dy, ConstView x, ConstView y, ConstView mean, ConstView var, ConstView gamma,
                                         ConstView dgamma, ConstView dbeta, double count, View dx, View dadd,
                                         const BatchNormArgs& args) {
  const Cut cut(numel(x.shape), numel(mean.shape), kMapWidth);
  with_floating(x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    using Gradient = functor::BatchNormGrad<A>;
    const Scratch scratch(*this, static_cast<std::size_t>(cut.channels) * sizeof(Gradient));
    Gradient* const table = reinterpret_cast<Gradient*>(scratch.data());
    for (std::int64_t c = 0; c < cut.channels; ++c) {
      table[c] = Gradient::of(data_of<A>(mean)[c], data_of<A>(var)[c], gamma.data ? data_of<A>(gamma)[c] : A(1), A(args.eps),
                              data_of<A>(dgamma)[c], data_of<A>(dbeta)[c], A(count));
    }
    const auto run = args.relu ? (dadd.data ? grad_tiles<T, true, true> : grad_tiles<T, true, false>)
                               : (dadd.data ? grad_tiles<T, false, true> : grad_tiles<T, false, false>);
    run(threads(), cut, data_of<T>(dy), data_of<T>(x), data_of<T>(y), static_cast<T*>(dx.data), static_cast<T*>(dadd.data),
        table);
  });
}

}  // namespace mec::cpu::MEC_ISA
