#include "mec/tensor/cgroup.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

namespace mec {

namespace fs = std::filesystem;

namespace {

constexpr double kNone = std::numeric_limits<double>::infinity();

// A hierarchy of groups that has a controller, and the process's place in it.
struct Hierarchy {
  fs::path mount;        // where it is mounted
  fs::path root;         // the group that the mount shows
  fs::path group;        // of the process
  bool unified = false;  // version 2
};

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, at);) parts.push_back(part);
  return parts;
}

bool holds(const std::string& list, const std::string& word) {
  const auto words = split(list, ',');
  return std::ranges::find(words, word) != words.end();
}

// Blanks in the names of mounts are written as \040.
std::string unescaped(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out += static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// "36 35 0:30 /group /mount options … - cgroup source options": see proc(5).
std::vector<Hierarchy> hierarchies(const fs::path& root, const std::string& controller) {
  std::string version_1, version_2;  // the process's group in each
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "4:cpu,cpuacct:/group", "0::/group"
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (controllers.empty()) version_2 = line.substr(second + 1);
    if (holds(controllers, controller)) version_1 = line.substr(second + 1);
  }
  std::vector<Hierarchy> found;
  std::ifstream mounts(root / "proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    const std::size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    const auto before = split(line.substr(0, dash), ' '), after = split(line.substr(dash + 3), ' ');
    if (before.size() < 5 || after.size() < 3) continue;
    const bool unified = after[0] == "cgroup2";
    if (!unified && !(after[0] == "cgroup" && holds(after[2], controller))) continue;
    found.push_back({.mount = unescaped(before[4]),
                     .root = unescaped(before[3]),
                     .group = unified ? version_2 : version_1,
                     .unified = unified});
  }
  return found;
}

// "150000 100000" or "max 100000"; in version 1 a file for each, and -1 for no limit.
double processors_of(const fs::path& group, bool unified) {
  double quota = -1, period = -1;
  if (unified) {
    std::ifstream(group / "cpu.max") >> quota >> period;  // "max" is no number
  } else {
    std::ifstream(group / "cpu.cfs_quota_us") >> quota;
    std::ifstream(group / "cpu.cfs_period_us") >> period;
  }
  return quota > 0 && period > 0 ? quota / period : kNone;
}

// "2147483648", or "max"; version 1 has a number near 2^63 for no limit.
double memory_of(const fs::path& group, bool unified) {
  double bytes = 0;
  const bool is_number(std::ifstream(group / (unified ? "memory.max" : "memory.limit_in_bytes")) >> bytes);
  return is_number && bytes < 0x1p62 ? bytes : kNone;
}

// The smallest limit among the process's groups, from its own up to the one that is mounted.
double least_limit(const fs::path& root, const std::string& controller, double (*limit_of)(const fs::path&, bool)) {
  double least = kNone;
  for (const Hierarchy& hierarchy : hierarchies(root, controller)) {
    // In a container the process's group may lie outside the mounted one; the mounted one is then
    // the container's own.
    const fs::path below = hierarchy.group.lexically_relative(hierarchy.root);
    const bool outside = below.empty() || *below.begin() == "..";
    const fs::path mount = root / hierarchy.mount.relative_path();
    fs::path group = outside ? mount : (mount / below).lexically_normal();
    if (!group.has_filename()) group = group.parent_path();  // "mount/."
    for (;; group = group.parent_path()) {
      least = std::min(least, limit_of(group, hierarchy.unified));
      if (group == mount || group.native().size() <= mount.native().size()) break;
    }
  }
  return least;
}

}  // namespace

double cgroup_processors(const fs::path& root) { return least_limit(root, "cpu", processors_of); }
double cgroup_memory(const fs::path& root) { return least_limit(root, "memory", memory_of); }

}  // namespace mec
