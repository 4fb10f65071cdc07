#include "mec/cli/series_options.h"

#include "mec/cli/program.h"
#include "mec/ssl/coding/pair.h"

namespace mec::cli {

LengthOptions SeriesOptions::parse() const {
  LengthOptions out{.exact = order == "exact", .side = side};
  if (!out.exact && !CLI::detail::lexical_cast(order, out.order)) {
    throw UsageError(concat("--order is a whole number or 'exact', but is '", order, "'"));
  }
  return out;
}

Tensor SeriesOptions::lambda(const Tensor& z) const { return coding_lambda(z, eps2); }

void add_series_options(CLI::App& command, SeriesOptions& options) {
  command.add_option("--eps2", options.eps2, "Distortion")->capture_default_str();
  command.add_option("--order", options.order, "Terms of the series, or exact: log det")->capture_default_str();
  const std::map<std::string, Side> sides{{"auto", Side::automatic}, {"batch", Side::batch}, {"feature", Side::feature}};
  command.add_option("--side", options.side, "auto, batch (m,m) or feature (d,d)")->transform(CLI::CheckedTransformer(sides));
}

}  // namespace mec::cli
