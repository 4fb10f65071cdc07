// The members of a kernel's struct, in their order, for code that serves all kernels.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

namespace mec {

// Stands for a member of any type.
struct AnyMember {
  template <class T> operator T() const;
};

template <class K, std::size_t... Is> constexpr bool has_members(std::index_sequence<Is...>) {
  return requires { K{(static_cast<void>(Is), AnyMember{})...}; };
}

// How many members K has, none of which is an array: K can be made from that many values, and from
// no more.
template <class K, std::size_t N = 1> constexpr std::size_t member_count() {
  if constexpr (has_members<K>(std::make_index_sequence<N + 1>())) return member_count<K, N + 1>();
  else return N;
}

// Calls f(members of k...). The members' names leave out f, k and n, which are in use.
template <class K, class F> auto with_members(K& k, F&& f) {
  constexpr std::size_t n = member_count<std::remove_const_t<K>>();
  static_assert(n >= 2 && n <= 13, "a kernel has 2 to 13 members; add a line here for more");
  // clang-format off
  if constexpr (n == 2) { auto& [a, b] = k; return f(a, b); }
  if constexpr (n == 3) { auto& [a, b, c] = k; return f(a, b, c); }
  if constexpr (n == 4) { auto& [a, b, c, d] = k; return f(a, b, c, d); }
  if constexpr (n == 5) { auto& [a, b, c, d, e] = k; return f(a, b, c, d, e); }
  if constexpr (n == 6) { auto& [a, b, c, d, e, g] = k; return f(a, b, c, d, e, g); }
  if constexpr (n == 7) { auto& [a, b, c, d, e, g, h] = k; return f(a, b, c, d, e, g, h); }
  if constexpr (n == 8) { auto& [a, b, c, d, e, g, h, i] = k; return f(a, b, c, d, e, g, h, i); }
  if constexpr (n == 9) { auto& [a, b, c, d, e, g, h, i, j] = k; return f(a, b, c, d, e, g, h, i, j); }
  if constexpr (n == 10) { auto& [a, b, c, d, e, g, h, i, j, l] = k; return f(a, b, c, d, e, g, h, i, j, l); }
  if constexpr (n == 11) { auto& [a, b, c, d, e, g, h, i, j, l, m] = k; return f(a, b, c, d, e, g, h, i, j, l, m); }
  if constexpr (n == 12) { auto& [a, b, c, d, e, g, h, i, j, l, m, o] = k; return f(a, b, c, d, e, g, h, i, j, l, m, o); }
  if constexpr (n == 13) { auto& [a, b, c, d, e, g, h, i, j, l, m, o, p] = k; return f(a, b, c, d, e, g, h, i, j, l, m, o, p); }
  // clang-format on
}

}  // namespace mec
