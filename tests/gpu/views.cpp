// Views that a GPU makes, against the loader's workers.
#include <doctest/doctest.h>

#include "mec/tensor/devices.h"
#include "support/view_cases.h"

using namespace mec;
using namespace mec::test;

TEST_CASE("cuda: views are the host's, in f32 and bf16") {
  const Device device = make_cuda_device();
  for (const ViewCase& views : view_cases()) {
    CAPTURE(views.name);
    for (const Dtype dtype : {Dtype::f32, Dtype::bf16}) {
      const ViewDifference found = compare_views(views, device, dtype);
      CHECK(found.values > 0);
      CHECK(found.levels <= kViewLevels);
    }
  }
}
