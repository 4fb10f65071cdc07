#include "mec/nn/files/check_belongs.h"

#include "mec/tensor/error.h"

namespace mec {

void check_belongs(const WeightsInfo& info, const ResNetConfig& network) {
  validate(info);
  const auto text = [](const ResNetConfig& c) {
    return concat(c.arch, ", ", name_of(c.stem), " stem, width ", c.width, ", ", c.in_channels, " channels");
  };
  check<ValueError>(text(info.encoder) == text(network), "weights: what is said is of ", text(info.encoder),
                    ", but the network is ", text(network));
}

}  // namespace mec
