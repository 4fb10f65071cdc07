// Options of every command that computes a log det or its series.
#pragma once

#include <string>

#include "mec/cli/arguments.h"
#include "mec/ssl/losses/length.h"

namespace mec::cli {

struct SeriesOptions {
  double eps2 = 64;
  std::string order = "exact";
  Side side = Side::automatic;

  LengthOptions parse() const;
  Tensor lambda(const Tensor& z) const;  // (1), in z's dtype
};
// For Option::check(): why the word is wrong; empty for a number of terms and for "exact".
std::string why_no_order(const std::string& word);

void add_series_options(Command command, SeriesOptions& options);  // --eps2, --order, --side

}  // namespace mec::cli
