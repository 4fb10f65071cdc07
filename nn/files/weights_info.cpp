#include "mec/nn/files/weights_info.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <set>

#include <nlohmann/json.hpp>

#include "mec/tensor/io/safetensors.h"
#include "mec/tensor/text.h"

namespace mec {

namespace {

constexpr const char* kVersionKey = "mec_format";
constexpr const char* kVersion = "1";
constexpr const char* kClasses = "classes";  // a JSON list

std::string to_text(const std::vector<double>& values) {
  std::string text;
  for (const double value : values) {
    std::array<char, 32> digits{};  // the shortest text that reads back as the same double
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    if (!text.empty()) text += ',';
    text.append(digits.data(), end);
  }
  return text;
}

class Reader {
 public:
  Reader(const std::map<std::string, std::string>& metadata, const std::string& file) : metadata_(metadata), file_(file) {}

  const std::string& text(const char* key) const {
    const auto found = metadata_.find(key);
    check<IoError>(found != metadata_.end(), file_, ": the file does not say what network its weights belong to ('", key,
                   "' is missing in its metadata); make an encoder of it with mec import, or give architecture, stem and "
                   "width by hand");
    return found->second;
  }

  template <class T> std::vector<T> numbers(const char* key) const {
    const std::string& list = text(key);
    std::vector<T> values;
    const char* at = list.data();
    const char* const end = at + list.size();
    while (true) {
      T value{};
      const auto [next, error] = std::from_chars(at, end, value);
      check<IoError>(error == std::errc() && (next == end || *next == ','), file_, ": '", key,
                     "' in the metadata is not a number, or numbers with commas between: '", list, "'");
      values.push_back(value);
      if (next == end) return values;
      at = next + 1;
    }
  }

  // Of a JSON list; none where the key is missing.
  std::vector<std::string> texts(const char* key) const {
    if (!metadata_.contains(key)) return {};
    try {
      return nlohmann::json::parse(text(key)).get<std::vector<std::string>>();
    } catch (const nlohmann::json::exception&) {
      throw IoError(concat(file_, ": '", key, "' in the metadata is a JSON list of texts, not '",
                           printable(first_columns(text(key), 80)), "'"));
    }
  }

  std::int64_t positive(const char* key) const {
    const auto values = numbers<std::int64_t>(key);
    check<IoError>(values.size() == 1 && values[0] >= 1, file_, ": '", key, "' in the metadata is one number from 1, not '",
                   text(key), "'");
    return values[0];
  }

 private:
  const std::map<std::string, std::string>& metadata_;
  const std::string& file_;
};

}  // namespace

void validate(const WeightsInfo& info) {
  stage_channels(info.encoder);  // throws for an unknown arch and for widths out of range
  check<ValueError>(info.image_size >= 1 && info.image_size <= kMaxImageSize, "weights: image_size is 1 to ", kMaxImageSize,
                    " pixels on a side, but is ", info.image_size);
  const auto channels = static_cast<std::size_t>(info.encoder.in_channels);
  check<ValueError>(info.mean.size() == channels && info.std.size() == channels, "weights: ", channels,
                    " image channels have as many means and stds, but there are ", info.mean.size(), " and ", info.std.size());
  const auto finite = [](double v) { return std::isfinite(static_cast<float>(v)); };
  check<ValueError>(std::ranges::all_of(info.mean, finite), "weights: means are finite, but are ", to_text(info.mean));
  check<ValueError>(std::ranges::all_of(info.std, [&](double s) { return finite(s) && static_cast<float>(s) > 0; }),
                    "weights: standard deviations are positive and finite, but are ", to_text(info.std));
  std::set<std::string> names;
  for (const std::string& name : info.classes) {
    check<ValueError>(is_utf8(name), "weights: names of classes are UTF-8, but one is '", printable(name),
                      "'; rename its folder");
    check<ValueError>(names.insert(name).second, "weights: two classes are called '", printable(name), "'");
  }
}

std::map<std::string, std::string> to_metadata(const WeightsInfo& info) {
  validate(info);
  std::map<std::string, std::string> metadata{{"format", "pt"},  // as Python's readers expect it
                                              {kVersionKey, kVersion},
                                              {"arch", info.encoder.arch},
                                              {"stem", name_of(info.encoder.stem)},
                                              {"width", std::to_string(info.encoder.width)},
                                              {"in_channels", std::to_string(info.encoder.in_channels)},
                                              {"image_size", std::to_string(info.image_size)},
                                              {"mean", to_text(info.mean)},
                                              {"std", to_text(info.std)}};
  if (!info.classes.empty()) metadata[kClasses] = nlohmann::json(info.classes).dump();
  return metadata;
}

WeightsInfo to_weights_info(const std::map<std::string, std::string>& metadata, const std::string& file) {
  const Reader reader(metadata, file);
  const std::string& version = reader.text(kVersionKey);
  check<IoError>(version == kVersion, file, ": written in version ", version, " of this format, but only ", kVersion,
                 " is known");
  try {
    WeightsInfo info{.encoder = {.arch = reader.text("arch"),
                                 .width = reader.positive("width"),
                                 .in_channels = reader.positive("in_channels"),
                                 .stem = stem_of(reader.text("stem"))},
                     .image_size = reader.positive("image_size"),
                     .mean = reader.numbers<double>("mean"),
                     .std = reader.numbers<double>("std"),
                     .classes = reader.texts(kClasses)};
    validate(info);
    return info;
  } catch (const ValueError& error) {
    throw IoError(concat(file, ": ", error.what()));
  }
}

WeightsInfo read_weights_info(const std::filesystem::path& path) {
  return to_weights_info(read_safetensors_metadata(path), path.string());
}

}  // namespace mec
