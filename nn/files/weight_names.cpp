#include "mec/nn/files/weight_names.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "mec/tensor/error.h"

namespace mec {

namespace {

// For each prefix in the file: how many of the module's names follow it.
std::map<std::string, std::size_t> count_prefixes(const std::vector<std::string>& in_file,
                                                  const Names& of_module) {
  std::map<std::string, std::size_t> counts{{"", 0}};
  for (const std::string& name : in_file) {
    std::size_t at = 0, dot = 0;
    do {
      if (of_module.contains(name.substr(at))) ++counts[name.substr(0, at)];
      dot = name.find('.', at);
      at = dot + 1;
    } while (dot != std::string::npos);
  }
  return counts;
}

// "layer" of "layer4.0.conv1.weight".
std::string_view stem_of_name(std::string_view name) {
  const std::string_view first = name.substr(0, name.find('.'));
  return first.substr(0, first.find_last_not_of("0123456789") + 1);
}

}  // namespace

std::string find_prefix(const std::vector<std::string>& in_file, const Names& of_module,
                        const std::string& file) {
  const auto counts = count_prefixes(in_file, of_module);
  std::vector<std::pair<std::string, std::size_t>> ranked(counts.begin(), counts.end());
  std::ranges::stable_sort(ranked, [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first.size() < b.first.size();
  });
  const auto& [best, found] = ranked.front();
  if (!best.empty() && found == of_module.size()) {
    check<IoError>(ranked[1].second < found, file, ": the network's names occur with prefix '", best,
                   "' and with prefix '", ranked[1].first,
                   "'; choose one with --prefix (LoadOptions::prefix)");
  }
  return best;
}

bool is_akin(const std::string& name, const Names& of_module) {
  return std::ranges::any_of(of_module,
                             [&](const auto& n) { return stem_of_name(n) == stem_of_name(name); });
}

}  // namespace mec
