// Pictures for pages, as data: URIs.
#pragma once

#include <string>
#include <vector>

#include "mec/data/dataset.h"
#include "mec/eval/run_report/report_data.h"

namespace mec::report {

std::string base64(const std::string& bytes);

// PNG, or JPEG where that is smaller.
std::string picture_uri(const Image& image);

// Image i of the data set, at most `side` pixels on a side. One that cannot be read has no picture.
Tile make_tile(const Dataset& dataset, std::int64_t i, int side);

}  // namespace mec::report
