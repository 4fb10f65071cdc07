// Options of everything that is a log det or its series.
#pragma once

#include <CLI/CLI.hpp>

#include <map>

#include "mec/ssl/coding/length.h"

namespace mec::cli {

struct SeriesOptions {
  double eps2 = 64;
  std::string order = "exact";
  Side side = Side::automatic;

  LengthOptions parse() const;           // UsageError when the order is no number and not "exact"
  Tensor lambda(const Tensor& z) const;  // (1), in z's dtype
};
void add_series_options(CLI::App& command, SeriesOptions& options);  // --eps2, --order, --side

}  // namespace mec::cli
