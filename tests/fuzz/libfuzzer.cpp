// The program mec_fuzz: libFuzzer for one of the targets. run.py calls it.
//
//     mec_fuzz --list
//     mec_fuzz --target=NAME [libFuzzer's options] [corpus...]
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "fuzz/targets.h"

using namespace mec::fuzz;

namespace {

const Target* chosen = nullptr;

void choose(std::string_view name) {
  const auto found = std::ranges::find(targets(), name, &Target::name);
  if (found != targets().end()) chosen = &*found;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* count, char*** words) {
  constexpr std::string_view kTarget = "--target=";
  for (int i = 1; i < *count; ++i) {
    const std::string_view word = (*words)[i];
    if (word.starts_with(kTarget)) choose(word.substr(kTarget.size()));
    if (word != "--list") continue;
    for (const Target& target : targets()) std::printf("%.*s\n", static_cast<int>(target.name.size()), target.name.data());
    std::exit(0);
  }
  if (chosen) return 0;
  std::fprintf(stderr, "mec_fuzz: --target=NAME is one of those that --list prints\n");
  std::exit(2);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string finding = finding_of(*chosen, {data, size});
  if (finding.empty()) return 0;
  std::fprintf(stderr, "finding: %s\n", finding.c_str());
  std::abort();
}
