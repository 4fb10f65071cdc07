#include "mec/nn/files/foreign_encoder.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "mec/tensor/text.h"

namespace mec {

namespace {

using Sizes = std::vector<std::int64_t>;

// One encoder in the file.
struct Candidate {
  std::string prefix;
  // The first stage's number, where stages and stem have numbers for names: in a Sequential of the
  // children of torchvision's ResNet 4, without its max pool 3. 0 where they have names.
  int first_stage = 0;
};

// The prefix of a name that ends in `end`, if it does, and if the end is whole components.
std::optional<std::string> prefix_before(const std::string& name, std::string_view end) {
  if (!name.ends_with(end)) return std::nullopt;
  std::string prefix = name.substr(0, name.size() - end.size());
  if (!prefix.empty() && !prefix.ends_with('.')) return std::nullopt;
  return prefix;
}

std::vector<Candidate> find_candidates(const SafetensorsReader& reader) {
  std::set<std::string> names, taken;
  for (const SafetensorsEntry& entry : reader.entries()) names.insert(entry.name);
  std::vector<Candidate> candidates;
  for (const auto& [stage, stem, number] :
       {std::tuple("layer1", "conv1.", 0), std::tuple("3", "0.", 3), std::tuple("4", "0.", 4)}) {
    for (const std::string& name : names) {
      const auto prefix = prefix_before(name, concat(stage, ".0.conv1.weight"));
      if (!prefix) continue;
      const bool has_stem =
          names.contains(concat(*prefix, stem, "weight")) || names.contains(concat(*prefix, stem, "0.weight"));
      if (has_stem && taken.insert(*prefix).second) candidates.push_back({*prefix, number});
    }
  }
  return candidates;
}

bool is_momentum_copy(const std::string& prefix) {
  static const std::set<std::string> words{"momentum", "ema",    "teacher", "target", "key",     "k",
                                           "swa",      "shadow", "slow",    "avg",    "averaged"};
  std::string word;
  for (const char c : prefix) {
    if (c != '.' && c != '_') {
      word += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      continue;
    }
    if (words.contains(word)) return true;
    word.clear();
  }
  return false;
}

std::string quoted_prefixes(const std::vector<Candidate>& candidates) {
  constexpr std::size_t kMost = 5;
  std::vector<std::string> texts;
  for (const Candidate& c : candidates) {
    if (texts.size() == kMost) break;
    texts.push_back(concat("'", c.prefix, "'"));
  }
  return listed(texts) + (candidates.size() > kMost ? " and more" : "");
}

Candidate choose(const std::vector<Candidate>& candidates, std::optional<std::string> prefix, const std::string& file) {
  check<IoError>(!candidates.empty(), file,
                 ": there is no ResNet in it: no first block (layer1.0.conv1.weight) with a stem (conv1.weight) beside it, "
                 "whatever stands before their names; mec info FILE lists the tensors");
  if (prefix) {
    if (!prefix->empty() && !prefix->ends_with('.')) *prefix += '.';
    const auto found = std::ranges::find(candidates, *prefix, &Candidate::prefix);
    check<IoError>(found != candidates.end(), file, ": there is no ResNet behind '", *prefix, "', but behind ",
                   quoted_prefixes(candidates));
    return *found;
  }
  std::vector<Candidate> originals;
  std::ranges::copy_if(candidates, std::back_inserter(originals),
                       [](const Candidate& c) { return !is_momentum_copy(c.prefix); });
  if (candidates.size() == 1) return candidates.front();
  check<IoError>(originals.size() == 1, file, ": there are ResNets behind ",
                 quoted_prefixes(originals.empty() ? candidates : originals), "; choose one with --prefix");
  return originals.front();
}

// A name behind the prefix as torchvision or timm has it.
std::string own_name(const std::string& name, int first_stage) {
  std::string own = name;
  const std::size_t dot = own.find('.');
  if (first_stage > 0 && dot == 1 && own[0] >= '0' && own[0] <= '9') {
    const int child = own[0] - '0', stage = child - first_stage + 1;
    if (child == 0) own.replace(0, 1, "conv1");
    else if (child == 1) own.replace(0, 1, "bn1");
    else if (stage >= 1 && stage <= 4) own.replace(0, 1, concat("layer", stage));
  }
  constexpr std::string_view kShortcut = ".shortcut.";  // as in much-copied code for CIFAR
  if (const std::size_t at = own.find(kShortcut); at != std::string::npos) own.replace(at, kShortcut.size(), ".downsample.");
  return own;
}

// Tensors of one encoder by the module's names.
class Tensors {
 public:
  Tensors(const std::map<std::string, Sizes>& sizes, const std::string& file) : sizes_(sizes), file_(file) {}

  bool has(const std::string& name) const { return sizes_.contains(name); }
  bool is_convolution(const std::string& name) const { return has(name) && sizes_.at(name).size() == 4; }
  const Sizes& convolution(const std::string& name) const {
    check<IoError>(is_convolution(name), file_, ": ", name, has(name) ? " is no weight of a convolution" : " is missing",
                   "; mec info FILE lists the tensors");
    return sizes_.at(name);
  }

 private:
  const std::map<std::string, Sizes>& sizes_;
  const std::string& file_;
};

ResNetShape shape_of(const Tensors& tensors, std::int64_t width) {
  ResNetShape shape;
  shape.bottleneck = tensors.has("layer1.0.conv3.weight");
  for (std::size_t stage = 0; stage < 4; ++stage) {
    while (tensors.has(concat("layer", stage + 1, ".", shape.blocks[stage], ".conv1.weight"))) ++shape.blocks[stage];
  }
  const std::int64_t inner = tensors.convolution("layer1.0.conv1.weight")[0];
  shape.wide = inner % width == 0 ? static_cast<int>(std::min<std::int64_t>(inner / width, kMaxResNetChannels)) : 0;
  shape.d = tensors.is_convolution("layer2.0.downsample.1.weight");
  return shape;
}

// The network takes memory by its width alone: a file that does not hold as much is refused before.
void check_width(const Tensors& tensors, const ResNetShape& shape, const ResNetConfig& config, const std::string& file) {
  const std::int64_t inner = 8 * config.width * shape.wide;
  const Sizes& largest = tensors.convolution("layer4.0.conv2.weight");
  check<IoError>(largest[0] == inner && largest[1] == inner, file, ": layer4.0.conv2.weight is of ", largest[0],
                 " channels by ", largest[1], ", but ", config.arch, " whose first convolution makes ", config.width, " has ",
                 inner, " by ", inner);
}

// Networks whose names are a ResNet's, but whose layers mec has not.
void check_known_layers(const ResNetShape& shape, bool deep, Stem stem, int first_stage, const std::string& file) {
  const char* const convolution = deep ? "three convolutions" : "a 7x7 convolution";
  check<IoError>(stem == Stem::cifar || first_stage != 3, file, ": the stem is ", convolution,
                 " without a max pool behind it (between child 0 of the Sequential and the stages, 3 to 6, there are a norm "
                 "and a ReLU alone); mec's networks with such a stem have one");
  check<IoError>(
      !shape.d || deep || stem == Stem::cifar, file,
      ": the shortcuts are ResNet-D's (an average pool before the convolution), but the stem is one 7x7 convolution; "
      "there are resnet…d, whose stem has three convolutions, and the plain networks");
  check<IoError>(shape.d || !deep, file,
                 ": the stem has three convolutions, but the shortcuts are not ResNet-D's: that is ResNet-C; there are "
                 "resnet…d and the plain networks");
}

void check_groups(const Tensors& tensors, const std::string& file) {
  const Sizes& first = tensors.convolution("layer1.0.conv1.weight");
  const Sizes& second = tensors.convolution("layer1.0.conv2.weight");
  const bool grouped = second[0] == first[0] && second[1] > 0 && first[0] % second[1] == 0;
  const std::int64_t groups = grouped ? first[0] / second[1] : 1;
  check<IoError>(groups <= 1, file, ": layer1.0.conv2 takes ", first[0], " channels in ", groups, " groups of ", second[1],
                 ", as in ResNeXt; mec's networks have no grouped convolutions");
}

ResNetConfig config_of(const Tensors& tensors, int first_stage, const std::string& file) {
  const bool deep = tensors.has("conv1.0.weight");
  const Sizes& first = tensors.convolution(deep ? "conv1.0.weight" : "conv1.weight");
  const Sizes& last = tensors.convolution(deep ? "conv1.6.weight" : "conv1.weight");
  ResNetConfig config{.width = last[0], .in_channels = first[1]};
  check<IoError>(config.width >= 1 && config.width <= kMaxResNetChannels && config.in_channels >= 1 &&
                     config.in_channels <= kMaxResNetChannels,
                 file, ": the stem makes ", config.width, " channels of ", config.in_channels, "; each is 1 to ",
                 kMaxResNetChannels);
  check<IoError>(first[2] == first[3] && (first[2] == 3 || (first[2] == 7 && !deep)), file, ": the stem's convolution is ",
                 first[2], "x", first[3], "; there are 7x7 and 3x3");
  config.stem = first[2] == 7 || deep ? Stem::imagenet : Stem::cifar;

  check_groups(tensors, file);
  const ResNetShape shape = shape_of(tensors, config.width);
  check_known_layers(shape, deep, config.stem, first_stage, file);
  config.arch = arch_of(shape);
  const auto& b = shape.blocks;
  check<IoError>(!config.arch.empty(), file, ": the stages have ", b[0], ", ", b[1], ", ", b[2], " and ", b[3],
                 shape.bottleneck ? " bottlenecks" : " blocks of two convolutions", shape.d ? " with ResNet-D's shortcuts" : "",
                 ", the first convolution makes ", config.width, " channels and the first block's ",
                 tensors.convolution("layer1.0.conv1.weight")[0], ": that is none of ", resnet_archs());
  check_width(tensors, shape, config, file);
  return config;
}

}  // namespace

FoundEncoder find_encoder(const SafetensorsReader& reader, std::optional<std::string> prefix) {
  const std::vector<Candidate> candidates = find_candidates(reader);
  const Candidate chosen = choose(candidates, std::move(prefix), reader.file());
  FoundEncoder found{.config = {}, .prefix = chosen.prefix};
  std::map<std::string, Sizes> sizes;
  for (const SafetensorsEntry& entry : reader.entries()) {
    if (!entry.name.starts_with(chosen.prefix)) continue;
    const std::string name = entry.name.substr(chosen.prefix.size()), own = own_name(name, chosen.first_stage);
    check<IoError>(sizes.emplace(own, entry.sizes).second, reader.file(), ": two tensors behind '", chosen.prefix,
                   "' stand for ", own, ", one of them '", name, "'");
    if (own != name) found.renamed[name] = own;
  }
  found.config = config_of(Tensors(sizes, reader.file()), chosen.first_stage, reader.file());
  for (const Candidate& other : candidates) {
    if (other.prefix != chosen.prefix) found.passed_over.push_back(other.prefix);
  }
  return found;
}

}  // namespace mec
