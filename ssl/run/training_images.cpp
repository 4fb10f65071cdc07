#include "mec/ssl/run/training_images.h"

#include <utility>
#include <vector>

#include "mec/data/formats/open_dataset.h"
#include "mec/data/labelled_subset.h"
#include "mec/ssl/methods/methods.h"
#include "mec/tensor/fnv1a.h"
#include "mec/tensor/text.h"

namespace mec {

namespace {

std::string digest_of(const std::vector<std::int64_t>& numbers) {
  return std::to_string(fnv1a({reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(std::int64_t)}));
}

TrainingImages chosen(const DatasetPtr& all, const PretrainSettings& settings) {
  const DataSettings& data = settings.data;
  check<ValueError>(data.fraction == 1 || data.list.empty(), "data.list names the images, so that data.fraction, which is ",
                    data.fraction, ", has none to choose; leave one of them out");
  if (!data.list.empty()) {
    const std::vector<std::int64_t> listed = listed_images(*all, data.list);
    if (learns_from_labels(settings)) check_every_class(*all, listed, concat("data.list, ", printable(data.list), ","));
    return {.train = make_subset(all, listed), .held_out = {}, .listed = digest_of(listed)};
  }
  const bool whole = data.fraction == 1;
  return {.train = whole ? all : make_subset(all, draw_of_each_class(*all, data.fraction, settings.train.seed)),
          .held_out = {},
          .listed = {}};
}

// Before any are chosen.
void check_labels(const Dataset& images, const PretrainSettings& settings) {
  check<ValueError>(images.info().has_labels, "method ", settings.method, " learns from labels, but the images of ",
                    printable(settings.data.path), " have none; put each class into a sub-folder of its name");
  check<ValueError>(images.info().classes() >= 2, "method ", settings.method, " needs two classes, but all images of ",
                    printable(settings.data.path), " are of one");
}

}  // namespace

TrainingImages open_training_images(const PretrainSettings& settings, const std::function<void(const std::string&)>& note) {
  const DataSettings& data = settings.data;
  const DatasetPtr all = open_dataset({.path = data.path,
                                       .kind = data.kind,
                                       .split = parse_split(data.split),
                                       .limit = data.limit,
                                       .channels = static_cast<int>(data.channels),
                                       .exif_orientation = data.exif_orientation});
  if (note) {
    for (const std::string& text : all->info().notes) note(text);
  }
  if (learns_from_labels(settings)) check_labels(*all, settings);
  TrainingImages images = chosen(all, settings);
  if (data.validation != 0) {
    HeldOut parts = hold_out_of_each_class(*images.train, data.validation, settings.train.seed);
    images.held_out = make_subset(images.train, std::move(parts.held_out));
    images.train = make_subset(images.train, std::move(parts.rest));
  }
  return images;
}

std::string describe_images(const DataSettings& data, const Dataset& images) {
  std::string how;
  if (!data.list.empty()) how = concat(", listed in ", printable(data.list));
  else if (data.fraction != 1) how = concat(", ", 100 * data.fraction, " % of each class");
  return concat(counted(images.size(), "image"), " of ", images.info().kind, how);
}

}  // namespace mec
