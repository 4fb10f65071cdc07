#include "mec/cli/bench/profile_table.h"

#include <algorithm>
#include <cstdio>

namespace mec::cli {

namespace {

constexpr std::size_t kLongest = 20;  // rows of the table by size

template <class... Values> std::string format(const char* pattern, Values... values) {
  char text[96];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

// "   12.34    5 % ": milliseconds and share of the total; the rates follow.
std::string figures(const KernelProfile& profile, double total, int steps) {
  return format("%9.2f %4.0f %% ", profile.seconds / steps * 1e3, 100 * profile.seconds / total) + rates(profile);
}

// Sums over the sizes, in the order in which parts first appear among `profiles`.
std::vector<KernelProfile> by_kernel(const std::vector<KernelProfile>& profiles) {
  std::vector<KernelProfile> sums;
  for (const KernelProfile& profile : profiles) {
    const auto same = [&](const KernelProfile& sum) { return sum.phase == profile.phase && sum.kernel == profile.kernel; };
    const auto found = std::ranges::find_if(sums, same);
    if (found == sums.end()) {
      sums.push_back(profile);
      continue;
    }
    found->calls += profile.calls;
    found->seconds += profile.seconds;
    found->flops += profile.flops;
    found->bytes += profile.bytes;
  }
  std::ranges::stable_sort(sums, std::ranges::greater{}, &KernelProfile::seconds);
  return sums;
}

double seconds_of(const std::vector<KernelProfile>& profiles) {
  double total = 0;
  for (const KernelProfile& profile : profiles) total += profile.seconds;
  return total;
}

}  // namespace

std::string rates(const KernelProfile& profile) {
  const std::string flops = profile.flops > 0 ? format("%9.1f", profile.flops / profile.seconds * 1e-9) : format("%9s", "-");
  return flops + format(" %7.1f", profile.bytes / profile.seconds * 1e-9);
}

void print_profile(std::ostream& out, const std::vector<KernelProfile>& profiles, int steps) {
  const double total = seconds_of(profiles);
  out << format("%-10s %-24s %6s %9s %6s %9s %7s\n", "part", "kernel", "calls", "ms", "share", "GFLOP/s", "GB/s");
  for (const KernelProfile& sum : by_kernel(profiles)) {
    out << format("%-10s %-24s %6.0f ", sum.phase.c_str(), sum.kernel.c_str(), double(sum.calls) / steps)
        << figures(sum, total, steps) << "\n";
  }
  KernelProfile convolutions;  // done by a library; only the rest is our code
  for (const KernelProfile& profile : profiles) {
    if (!profile.kernel.starts_with("conv2d")) continue;
    convolutions.seconds += profile.seconds;
    convolutions.flops += profile.flops;
    convolutions.bytes += profile.bytes;
  }
  out << format("%-42s ", "all kernels") << format("%9.2f\n", total / steps * 1e3);
  if (convolutions.seconds > 0)
    out << format("%-42s ", "of these, convolutions") << figures(convolutions, total, steps) << "\n";
  out << "\n";

  out << format("%-42s %9s %6s %9s %7s\n", "the longest by size", "ms", "share", "GFLOP/s", "GB/s");
  for (std::size_t i = 0; i < std::min(kLongest, profiles.size()); ++i) {
    out << format("%-42s ", (profiles[i].phase + " " + profiles[i].kernel).c_str()) << figures(profiles[i], total, steps)
        << "  " << profiles[i].sizes << "\n";
  }
}

void print_messages(std::ostream& out, const std::vector<CollectiveProfile>& profiles, int steps) {
  CollectiveProfile all{.phase = "all", .name = "messages"};
  out << format("%-10s %-24s %6s %11s %9s %9s\n", "part", "between ranks", "calls", "MB in", "ms", "wait ms");
  const auto print = [&](const CollectiveProfile& p) {
    out << format("%-10s %-24s %6.0f %11.6f %9.2f %9.2f\n", p.phase.c_str(), p.name.c_str(), double(p.calls) / steps,
                  p.bytes / steps * 1e-6, p.seconds / steps * 1e3, p.waited / steps * 1e3);
  };
  for (const CollectiveProfile& profile : profiles) {
    print(profile);
    all.calls += profile.calls;
    all.bytes += profile.bytes;
    all.seconds += profile.seconds;
    all.waited += profile.waited;
  }
  print(all);
}

}  // namespace mec::cli
