// A kernel is a value: a struct of its arguments, which every device can run.
//
//   struct NormalizeRows {                        // the contract: what y is, its shapes and dtypes
//     static constexpr auto name = "normalize_rows";
//     In x;                                       // memory that it reads,
//     Out y, inv_norm;                            // memory that it writes,
//     double eps;                                 // and numbers
//   };
//
//   device.run(kernel::NormalizeRows{x, y, inv_norm, 1e-12});
//
// kernel::Lu is what a device runs, mec::Lu what the operation lu() returns.
//
// Kernels of one domain are a family. A device class D has a function `run(D&, const K&)` in its
// namespace for each of them, in one file, which ends with the table of these functions:
//
//   constinit const RowKernels row_kernels = KernelsOf<D, RowKernels>::table;
//
// A kernel without a function does not compile there. Wrappers around a device have one function,
// a template, for all kernels (backends/wrappers/forwarding.h).
#pragma once

#include <type_traits>

namespace mec {

class Backend;

// The function of a device that runs kernels K.
template <class K> struct Entry { void (&run)(Backend&, const K&); };

// A device's functions for the kernels Ks.
template <class... Ks> struct Family : Entry<Ks>... {
  template <class K> void operator()(Backend& device, const K& k) const { static_cast<const Entry<K>&>(*this).run(device, k); }
};

// Converts to D& and to nothing else, so that a function run() for a base class of D does not count
// as one for D.
template <class D> struct Exactly {
  D& device;
  template <class T>
  requires std::is_same_v<T, D>
  operator T&() const { return device; }
};

// The table of D's functions run(D&, const K&), which argument-dependent lookup finds.
template <class D, class F> struct KernelsOf;
template <class D, class... Ks> struct KernelsOf<D, Family<Ks...>> {
  template <class K> static void run_on(Backend& device, const K& k) { run(Exactly<D>{static_cast<D&>(device)}, k); }

  static constexpr Family<Ks...> table{{run_on<Ks>}...};
};

}  // namespace mec
