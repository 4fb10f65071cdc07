#include "mec/ssl/run/settings_table.h"

#include "mec/ssl/methods/methods.h"
#include "mec/tensor/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

namespace mec {

namespace {

constexpr double kNoLimit = std::numeric_limits<double>::infinity();

struct Range {
  double low = -kNoLimit;
  double high = kNoLimit;
};
constexpr Range kFromZero{.low = 0};
constexpr Range kFromOne{.low = 1};
constexpr Range kWidths{.low = 1, .high = 1 << 20};  // of layers
constexpr Range kWidthsOrNone{.low = 0, .high = 1 << 20};

template <class T> std::string to_text(const T& value) { return concat(std::boolalpha, value); }
std::string to_text(const std::vector<double>& list) {
  std::string text;
  for (const double number : list) text += concat(text.empty() ? "" : ", ", number);
  return concat("[", text, "]");
}
std::string text_of(const SettingValue& value) {
  return std::visit([](const auto& v) { return to_text(v); }, value);
}

// 0.4F as 0.4, not as the double 0.4000000059604645.
double shortest(float value) {
  std::array<char, 32> digits{};
  const char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  double read = 0;
  std::from_chars(digits.data(), end, read);
  return read;
}

[[noreturn]] void wrong_type(const std::string& key, const char* expected, const SettingValue& value) {
  throw ValueError(concat(key, " is ", expected, ", but got ", std::holds_alternative<std::string>(value) ? "the text " : "",
                          text_of(value)));
}

template <class T> T number_from(const std::string& key, const SettingValue& value, const Range& range) {
  double number = 0;
  if (const auto* whole = std::get_if<std::int64_t>(&value)) number = static_cast<double>(*whole);
  else if (const auto* real = std::get_if<double>(&value); real && std::is_floating_point_v<T>) number = *real;
  else wrong_type(key, std::is_integral_v<T> ? "a whole number" : "a number", value);
  check<ValueError>(std::isfinite(number), key, " is a finite number, but is ", number);
  check<ValueError>(number >= range.low, key, " is at least ", digits_of(range.low), ", but is ", text_of(value));
  check<ValueError>(number <= range.high, key, " is at most ", digits_of(range.high), ", but is ", text_of(value));
  if constexpr (std::is_integral_v<T>) {
    const std::int64_t whole = std::get<std::int64_t>(value);
    check<ValueError>(std::in_range<T>(whole), key, " is too large: ", whole);
    return static_cast<T>(whole);
  } else {
    constexpr double kMost = std::numeric_limits<T>::max();
    check<ValueError>(std::fabs(number) <= kMost, key, " is at most ", kMost, ", as ", sizeof(T), " bytes hold it, but is ",
                      number);
    return static_cast<T>(number);
  }
}

bool flag_from(const std::string& key, const SettingValue& value) {
  const bool* flag = std::get_if<bool>(&value);
  if (!flag) wrong_type(key, "true or false", value);
  return *flag;
}

// The value's index in `words`.
std::size_t place_of(const std::string& key, const SettingValue& value, const std::vector<std::string>& words) {
  const auto found = std::ranges::find(words, text_of(value));
  check<ValueError>(found != words.end(), key, " is one of ", joined(words), ", but is '", text_of(value), "'");
  return static_cast<std::size_t>(found - words.begin());
}

// Collects one entry for each member; the overloads differ in the member's type.
class Table {
 public:
  explicit Table(std::string prefix) : prefix_(std::move(prefix)) {}

  void add(const std::string& name, bool& member) {
    put(
        name, [&member] { return SettingValue(member); },
        [&member, key = key(name)](const SettingValue& value) { member = flag_from(key, value); });
  }
  void add(const std::string& name, std::string& member) {
    put(
        name, [&member] { return SettingValue(member); },
        [&member, key = key(name)](const SettingValue& value) {
          const std::string* text = std::get_if<std::string>(&value);
          if (!text) wrong_type(key, "a text in quotes", value);
          member = *text;
        });
  }
  void add(const std::string& name, std::vector<double>& member) {
    put(
        name, [&member] { return SettingValue(member); },
        [&member, key = key(name)](const SettingValue& value) {
          const std::vector<double>* list = std::get_if<std::vector<double>>(&value);
          if (!list) wrong_type(key, "a list of numbers, as in [0.5]", value);
          member = *list;
        });
  }
  template <class T>
  requires std::is_arithmetic_v<T>
  void add(const std::string& name, T& member, const Range& range = {}) {
    const auto get = [&member]() -> SettingValue {
      if constexpr (std::is_integral_v<T>) return static_cast<std::int64_t>(member);
      else if constexpr (std::is_same_v<T, float>) return shortest(member);
      else return member;
    };
    put(name, get,
        [&member, range, key = key(name)](const SettingValue& value) { member = number_from<T>(key, value, range); });
  }
  // `words` name the values 0, 1, … of the enumeration.
  template <class E>
  requires std::is_enum_v<E>
  void add(const std::string& name, E& member, const std::vector<std::string>& words) {
    put(
        name, [&member, words] { return SettingValue(words.at(static_cast<std::size_t>(member))); },
        [&member, words, key = key(name)](const SettingValue& value) { member = static_cast<E>(place_of(key, value, words)); });
  }
  void put(const std::string& name, std::function<SettingValue()> get, std::function<void(const SettingValue&)> set) {
    settings.push_back({.key = key(name), .get = std::move(get), .set = std::move(set)});
  }

  std::string key(const std::string& name) const { return prefix_ + name; }

  std::vector<Setting> settings;

 private:
  std::string prefix_;
};

std::vector<Setting> bind_model(PretrainSettings& settings) {
  ModelSettings& model = settings.model;
  Table t("model.");
  t.add("weights", model.weights);
  t.add("weights_prefix", model.weights_prefix);
  t.add("arch", model.arch);
  t.add("stem", model.stem);
  t.add("width", model.width, {.low = 1, .high = 8192});
  t.add("zero_init_residual", model.zero_init_residual);
  if (learns_from_labels(settings)) return t.settings;  // a classifier stands behind the encoder
  t.add("dim", model.dim, kWidths);
  t.add("proj_layers", model.proj_layers, {.low = 1, .high = 100});
  t.add("proj_hidden", model.proj_hidden, kWidthsOrNone);
  t.add("proj_norm", model.proj_norm);
  t.add("proj_output_norm", model.proj_output_norm);
  t.add("pred_hidden", model.pred_hidden, kWidthsOrNone);
  t.add("prototypes", model.prototypes, kWidthsOrNone);
  return t.settings;
}

std::vector<Setting> bind_mixture_kl(PretrainSettings& settings) {
  KlRegularizerSettings& kl = settings.mixture_kl;
  Table t("mixture_kl.");
  if (learns_from_labels(settings)) return t.settings;  // there are no embeddings to regularise
  t.add("weight", kl.weight, kFromZero);
  t.add("estimate", kl.estimate, {"variational", "product", "lower", "upper"});
  t.add("bandwidth", kl.bandwidth, kFromZero);
  t.add("components", kl.components, kFromOne);
  t.add("variance", kl.variance, kFromZero);
  t.add("seed", kl.seed, kFromZero);
  return t.settings;
}

// The chosen method's own settings, in a section of its name.
std::vector<Setting> bind_method(PretrainSettings& settings) {
  using enum MethodSetting::Kind;
  Table t(settings.method + ".");
  for (const MethodSetting& own : find_method(settings.method).settings) {
    const auto value = [&settings, name = own.name] { return method_setting(settings, name); };
    const auto get = [value, kind = own.kind, words = own.words]() -> SettingValue {
      switch (kind) {
        case flag: return value() != 0;
        case whole: return static_cast<std::int64_t>(value());
        case word: return words.at(static_cast<std::size_t>(value()));
        case real: break;
      }
      return value();
    };
    const auto set = [&settings, own, key = t.key(own.name)](const SettingValue& given) {
      const Range range{.low = own.low, .high = own.high};
      double number = 0;  // not yet in the map: a refused value must leave no entry there
      switch (own.kind) {
        case flag: number = flag_from(key, given) ? 1 : 0; break;
        case whole: number = static_cast<double>(number_from<std::int64_t>(key, given, range)); break;
        case word: number = static_cast<double>(place_of(key, given, own.words)); break;
        case real: number = number_from<double>(key, given, range); break;
      }
      settings.method_settings[own.name] = number;
    };
    t.put(own.name, get, set);
  }
  return t.settings;
}

std::vector<Setting> bind_train(PretrainSettings& settings) {
  TrainSettings& train = settings.train;
  Table t("train.");
  t.add("epochs", train.epochs, kFromOne);
  t.add("batch", train.batch, {.low = 2});
  t.add("accumulate", train.accumulate, kFromOne);
  const auto get_groups = [&train]() -> SettingValue {
    if (train.sync_batch_norm > 1) return train.sync_batch_norm;
    return train.sync_batch_norm == 1;
  };
  const auto set_groups = [&train, key = t.key("sync_batch_norm")](const SettingValue& value) {
    const bool* all = std::get_if<bool>(&value);
    if (!all && !std::holds_alternative<std::int64_t>(value)) wrong_type(key, "true, false or a number of processes", value);
    const std::int64_t group = all ? 0 : number_from<std::int64_t>(key, value, {.low = 1, .high = 1 << 20});
    train.sync_batch_norm = all ? (*all ? 1 : 0) : group == 1 ? 0 : group;
  };
  t.put("sync_batch_norm", get_groups, set_groups);
  t.add("optimizer", train.optimizer);
  t.add("lr", train.lr);
  t.add("warmup_epochs", train.warmup.epochs, kFromZero);
  t.add("warmup_steps", train.warmup.steps, {.low = -1});
  t.add("momentum", train.momentum);
  t.add("weight_decay", train.weight_decay);
  t.add("decay_norm_and_bias", train.decay_norm_and_bias);
  t.add("lars_eta", train.lars_eta);
  t.add("beta1", train.beta1);
  t.add("beta2", train.beta2);
  t.add("adam_eps", train.adam_eps);
  if (find_method(settings.method).averaged_teacher) {
    t.add("ema", train.ema);
    t.add("ema_end", train.ema_end);
  }
  t.add("lr_by_epoch", train.lr_by_epoch);
  t.add("encoder_lr_factor", train.encoder_lr_factor, kFromZero);
  t.add("frozen_stages", train.frozen_stages, {.low = 0, .high = 5});
  t.add("frozen_batch_norm", train.frozen_batch_norm);
  if (!learns_from_labels(settings)) t.add("constant_predictor_rate", train.constant_predictor_rate);
  t.add("seed", train.seed, kFromZero);
  t.add("precision", train.precision);
  t.add("on_nonfinite", train.on_nonfinite, {"stop", "skip"});
  t.add("nonfinite_limit", train.nonfinite_limit, kFromOne);
  t.add("health_steps", train.health_steps, kFromZero);
  t.add("checkpoint_epochs", train.checkpoint_epochs, kFromZero);
  t.add("checkpoint_steps", train.checkpoint_steps, kFromZero);
  t.add("checkpoint_minutes", train.checkpoint_minutes, kFromZero);
  t.add("checkpoints_kept", train.checkpoints_kept, {.low = 1, .high = 1000});
  return t.settings;
}

std::vector<Setting> bind_data(DataSettings& data) {
  Table t("data.");
  t.add("path", data.path);
  t.add("kind", data.kind);
  t.add("split", data.split);
  t.add("limit", data.limit, kFromZero);
  t.add("fraction", data.fraction, {.low = 0, .high = 1});
  t.add("list", data.list);
  t.add("validation", data.validation, {.low = 0, .high = 1});
  t.add("channels", data.channels, {.low = 0, .high = 3});
  t.add("exif_orientation", data.exif_orientation);
  t.add("mean", data.mean);
  t.add("std", data.std);
  t.add("workers", data.workers, {.low = 0, .high = 1024});
  t.add("on_broken", data.on_broken, {"stop", "skip"});
  t.add("broken_limit", data.broken_limit, kFromZero);
  t.add("eval_size", data.eval_size, {.low = 0, .high = kMaxViewSize});
  return t.settings;
}

std::vector<Setting> bind_eval(PretrainSettings& settings) {
  EvalSettings& eval = settings.eval;
  Table t("eval.");
  t.add("every_epochs", eval.every_epochs, kFromZero);
  if (!learns_from_labels(settings)) {  // its classifier is scored
    t.add("knn", eval.knn);
    t.add("probe", eval.probe);
  }
  t.add("limit", eval.limit, kFromZero);
  return t.settings;
}

std::vector<Setting> bind_log(LogSettings& log) {
  Table t("log.");
  t.add("tensorboard", log.tensorboard);
  return t.settings;
}

std::vector<Setting> bind_view(ViewSettings& view, const std::string& prefix) {
  Table t(prefix);
  t.add("size", view.size);
  t.add("scale_min", view.scale_min);
  t.add("scale_max", view.scale_max);
  t.add("ratio_min", view.ratio_min);
  t.add("ratio_max", view.ratio_max);
  t.add("jitter_probability", view.jitter_probability);
  t.add("brightness", view.brightness);
  t.add("contrast", view.contrast);
  t.add("saturation", view.saturation);
  t.add("hue", view.hue);
  t.add("gray_probability", view.gray_probability);
  t.add("blur_probability", view.blur_probability);
  t.add("blur_sigma_min", view.blur_sigma_min);
  t.add("blur_sigma_max", view.blur_sigma_max);
  t.add("blur_kernel", view.blur_kernel);
  t.add("solarize_probability", view.solarize_probability);
  t.add("solarize_threshold", view.solarize_threshold);
  t.add("flip_probability", view.flip_probability);
  return t.settings;
}

// "augment.views" is their number; "augment.viewN.size" is one view's, and "augment.size" sets all
// views at once.
std::vector<Setting> bind_augment(PretrainSettings& settings) {
  AugmentSettings& augment = settings.augment;
  const double fewest = learns_from_labels(settings) ? 1 : 2;
  Table t("augment.");
  t.put(
      "views", [&augment] { return SettingValue(static_cast<std::int64_t>(augment.views.size())); },
      [&augment, fewest](const SettingValue& value) {
        const ViewSettings another = fewest == 1 ? augment.views.front() : official_second_view();
        augment.views.resize(number_from<std::size_t>("augment.views", value, {.low = fewest, .high = 100}), another);
      });
  const auto bind = [&augment](std::size_t view) {
    return bind_view(augment.views[view], concat("augment.view", view + 1, "."));
  };
  std::vector<Setting> all = t.settings;
  for (std::size_t view = 0; view < augment.views.size(); ++view) {
    const std::vector<Setting> own = bind(view);
    all.insert(all.end(), own.begin(), own.end());
  }
  ViewSettings names;  // only its keys are used
  const std::vector<Setting> together = bind_view(names, "augment.");
  for (std::size_t i = 0; i < together.size(); ++i) {
    const auto get = [bind, i] { return bind(0)[i].get(); };
    const auto set = [&augment, bind, i](const SettingValue& value) {
      for (std::size_t view = 0; view < augment.views.size(); ++view) bind(view)[i].set(value);
    };
    all.push_back({.key = together[i].key, .get = get, .set = set, .shorthand = true});
  }
  return all;
}

}  // namespace

std::vector<Setting> bind_settings(PretrainSettings& settings) {
  Table top("");
  top.put(
      "method", [&settings] { return SettingValue(settings.method); },
      [&settings](const SettingValue& value) {
        const std::string* text = std::get_if<std::string>(&value);
        if (!text) wrong_type("method", "a text in quotes", value);
        choose_method(settings, *text);
      });
  std::vector<Setting> all = top.settings;
  for (const auto& section : {bind_model(settings), bind_method(settings), bind_mixture_kl(settings), bind_train(settings),
                              bind_data(settings.data), bind_augment(settings), bind_eval(settings), bind_log(settings.log)}) {
    all.insert(all.end(), section.begin(), section.end());
  }
  return all;
}

}  // namespace mec
