#include "mec/cli/series_options.h"

#include "mec/cli/program.h"
#include "mec/ssl/losses/pair.h"

namespace mec::cli {

LengthOptions SeriesOptions::parse() const {
  LengthOptions out{.exact = order == "exact", .side = side};
  if (!out.exact) out.order = parse_word<int>(order);
  return out;
}

std::string why_no_order(const std::string& word) {
  const bool digits = !word.empty() && word.size() < 4 && word.find_first_not_of("0123456789") == std::string::npos;
  return word == "exact" || (digits && std::stoi(word) > 0)
             ? ""
             : "an order is a whole number from 1 to 999, or exact, but is '" + word + "'";
}

Tensor SeriesOptions::lambda(const Tensor& z) const { return coding_lambda(z, eps2); }

void add_series_options(Command command, SeriesOptions& options) {
  command.add_option("--eps2", options.eps2, "Distortion").show_default();
  command.add_option("--order", options.order, "Terms of the series, or exact: log det").check(why_no_order).show_default();
  command.add_option("--side", options.side, "Of the matrix: batch (m,m), feature (d,d), or auto: the smaller",
                     {{"auto", Side::automatic}, {"batch", Side::batch}, {"feature", Side::feature}});
}

}  // namespace mec::cli
