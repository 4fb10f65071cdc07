// Parts of a data set that are chosen by its labels: a fraction of each class, the images of a
// published list, and those held out to choose by.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "mec/data/dataset.h"

namespace mec {

// The numbers of a part of the images, in ascending order: of each class of n, fraction·n rounded,
// drawn by the seed. A smaller fraction of one seed is a part of a larger one. ValueError unless
// 0 < fraction ≤ 1, where there are no labels, and where a class is left without an image; it then
// says which fraction would do.
std::vector<std::int64_t> draw_of_each_class(const Dataset& dataset, double fraction, std::uint64_t seed);

// The numbers of the images that a text file lists, one a line, in ascending order: as the file's
// name, with folders before it where several images have that name
// ("n01440764/n01440764_10026.JPEG"); of a data set in one file by their number in it, from 0.
// ValueError, with the line, for an image that is not there, not named by one line alone, or listed
// twice, and for an empty list; IoError where the file cannot be read.
std::vector<std::int64_t> listed_images(const Dataset& dataset, const std::filesystem::path& list);

// ValueError, with its name, where a class that the data set has images of has none at `indices`.
void check_every_class(const Dataset& dataset, const std::vector<std::int64_t>& indices, const std::string& what);

struct HeldOut {
  std::vector<std::int64_t> rest, held_out;  // in ascending order
};
// Of each class of n images fraction·n, rounded, but never all, drawn by the seed. ValueError
// unless 0 < fraction < 1, where there are no labels, and where nothing would be held out.
HeldOut hold_out_of_each_class(const Dataset& dataset, double fraction, std::uint64_t seed);

}  // namespace mec
