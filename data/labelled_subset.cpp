#include "mec/data/labelled_subset.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <string_view>

#include "mec/tensor/error.h"
#include "mec/tensor/io/input_file.h"
#include "mec/tensor/philox.h"
#include "mec/tensor/text.h"

namespace mec {

namespace {

constexpr std::uint64_t kLongestList = 1 << 28;  // bytes

// Draws of a class's order, apart from those of the loader (view 0 and 1).
enum class Draw : std::uint32_t { fraction = 2, held_out = 3 };

void check_labels(const Dataset& dataset, const char* setting) {
  check<ValueError>(dataset.info().has_labels, setting, " takes images of each class, but the images of ", dataset.info().kind,
                    " have no labels; put each class into a sub-folder of its name");
}

std::string name_of_class(const Dataset& dataset, std::size_t label) {
  const std::vector<std::string>& names = dataset.info().class_names;
  return label < names.size() ? printable(names[label]) : std::to_string(label);
}

// The numbers of each class's images, in an order drawn by the seed.
std::vector<std::vector<std::int64_t>> shuffled_classes(const Dataset& dataset, std::uint64_t seed, Draw draw) {
  std::vector<std::vector<std::int64_t>> classes(dataset.info().class_names.size());
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    const auto label = static_cast<std::size_t>(dataset.label(i));
    if (label >= classes.size()) classes.resize(label + 1);
    classes[label].push_back(i);
  }
  for (std::size_t label = 0; label < classes.size(); ++label) {
    std::vector<std::int64_t>& members = classes[label];
    RandomStream random(seed, label, 0, Purpose::shuffle, static_cast<std::uint32_t>(draw));
    for (std::size_t i = members.size(); i > 1; --i) std::swap(members[i - 1], members[random.below(i)]);
  }
  return classes;
}

std::int64_t part_of(std::size_t count, double fraction) { return std::llround(fraction * static_cast<double>(count)); }

// The least fraction that leaves each class an image, in digits that are not less.
std::string fraction_that_does(const std::vector<std::vector<std::int64_t>>& classes) {
  std::size_t fewest = 0;
  for (const auto& members : classes) {
    if (!members.empty() && (fewest == 0 || members.size() < fewest)) fewest = members.size();
  }
  const double least = std::ceil(0.5 / static_cast<double>(fewest) * 1e6) / 1e6;
  return digits_of(least);
}

// What a list calls the image: the last part of its path, or its number in the data set's file.
std::string short_name(const std::string& name) {
  constexpr std::string_view kNumbered = "image ";
  if (name.starts_with(kNumbered)) return name.substr(kNumbered.size());
  return name.substr(name.rfind('/') + 1);
}

bool is_called(const std::string& name, const std::string& line) {
  return short_name(name) == line || name == line || name.ends_with("/" + line);
}

class Names {
 public:
  explicit Names(const Dataset& dataset) : dataset_(dataset) {
    for (std::int64_t i = 0; i < dataset.size(); ++i) by_short_name_[short_name(dataset.name(i))].push_back(i);
  }

  std::vector<std::int64_t> find(const std::string& line) const {
    const auto found = by_short_name_.find(short_name(line));
    if (found == by_short_name_.end()) return {};
    std::vector<std::int64_t> matches;
    for (const std::int64_t i : found->second) {
      if (is_called(dataset_.name(i), line)) matches.push_back(i);
    }
    return matches;
  }

 private:
  const Dataset& dataset_;
  std::map<std::string, std::vector<std::int64_t>> by_short_name_;
};

std::string without_line_end(std::string line) {
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
  return line;
}

}  // namespace

std::vector<std::int64_t> draw_of_each_class(const Dataset& dataset, double fraction, std::uint64_t seed) {
  check<ValueError>(fraction > 0 && fraction <= 1, "data.fraction lies above 0 and up to 1, but is ", fraction);
  check_labels(dataset, "data.fraction");
  std::vector<std::int64_t> drawn;
  const auto classes = shuffled_classes(dataset, seed, Draw::fraction);
  for (std::size_t label = 0; label < classes.size(); ++label) {
    const std::int64_t count = part_of(classes[label].size(), fraction);
    check<ValueError>(count > 0 || classes[label].empty(), "data.fraction is ", fraction, ", which leaves class '",
                      name_of_class(dataset, label), "' of ",
                      counted(static_cast<std::int64_t>(classes[label].size()), "image"), " without any; ",
                      fraction_that_does(classes), " is the least that would do");
    drawn.insert(drawn.end(), classes[label].begin(), classes[label].begin() + count);
  }
  std::ranges::sort(drawn);
  return drawn;
}

std::vector<std::int64_t> listed_images(const Dataset& dataset, const std::filesystem::path& list) {
  InputFile file(list);
  const std::string where = printable(list.string());
  check<ValueError>(file.size() <= kLongestList, where, ": it has ", file.size(), " bytes, but a list of images has at most ",
                    kLongestList, ": is it another file?");
  std::vector<std::uint8_t> bytes = file.read(file.size(), "the list");
  constexpr std::array<std::uint8_t, 3> kMark{0xef, 0xbb, 0xbf};  // that some editors begin UTF-8 with
  if (bytes.size() >= 3 && std::equal(kMark.begin(), kMark.end(), bytes.begin())) bytes.erase(bytes.begin(), bytes.begin() + 3);
  const Names names(dataset);
  std::map<std::int64_t, std::int64_t> lines;  // of each image
  std::int64_t number = 0;
  for (auto at = bytes.begin(); at != bytes.end();) {
    const auto end = std::find(at, bytes.end(), '\n');
    const std::string line = without_line_end({at, end});
    ++number;
    at = end == bytes.end() ? end : end + 1;
    if (line.empty()) continue;
    const std::vector<std::int64_t> found = names.find(line);
    const auto error = [&](const auto&... what) {
      return ValueError(concat(where, ":", number, ": '", printable(line), "' ", what...));
    };
    if (found.empty()) throw error("is none of the ", dataset.size(), " images of ", dataset.info().kind);
    if (found.size() > 1)
      throw error("is the name of ", found.size(), " images, such as ", printable(dataset.name(found[0])),
                  "; write its folder before it");
    const auto [first, is_new] = lines.emplace(found[0], number);
    if (!is_new) throw error("is the image of line ", first->second, " again");
  }
  check<ValueError>(!lines.empty(), where, ": the list of images is empty");
  std::vector<std::int64_t> indices;
  for (const auto& [image, line] : lines) indices.push_back(image);
  return indices;
}

void check_every_class(const Dataset& dataset, const std::vector<std::int64_t>& indices, const std::string& what) {
  check_labels(dataset, what.c_str());
  std::set<std::int32_t> missing;
  for (std::int64_t i = 0; i < dataset.size(); ++i) missing.insert(dataset.label(i));
  for (const std::int64_t i : indices) missing.erase(dataset.label(i));
  check<ValueError>(missing.empty(), what, " has no image of class '",
                    missing.empty() ? "" : name_of_class(dataset, static_cast<std::size_t>(*missing.begin())), "'");
}

HeldOut hold_out_of_each_class(const Dataset& dataset, double fraction, std::uint64_t seed) {
  check<ValueError>(fraction > 0 && fraction < 1, "data.validation lies above 0 and below 1, but is ", fraction);
  check_labels(dataset, "data.validation");
  HeldOut parts;
  for (const auto& members : shuffled_classes(dataset, seed, Draw::held_out)) {
    if (members.empty()) continue;
    const std::int64_t most = static_cast<std::int64_t>(members.size()) - 1;
    const auto middle = members.begin() + std::min(part_of(members.size(), fraction), most);
    parts.held_out.insert(parts.held_out.end(), members.begin(), middle);
    parts.rest.insert(parts.rest.end(), middle, members.end());
  }
  check<ValueError>(!parts.held_out.empty(), "data.validation is ", fraction, ", which holds out none of ",
                    counted(dataset.size(), "image"), "; choose more");
  std::ranges::sort(parts.held_out);
  std::ranges::sort(parts.rest);
  return parts;
}

}  // namespace mec
