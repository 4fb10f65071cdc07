#include "mec/tensor/backends/cuda/runtime/library.h"

#include <doctest/doctest.h>

#include "mec/tensor/error.h"

using namespace mec;

TEST_CASE("a library is opened at the first call of one of its functions, where the system finds it or where the build did") {
  cuda::Library by_name("libm.so.6", "/nowhere/libm.so"), by_file("libnowhere.so.9", "libm.so.6");
  for (cuda::Library* library : {&by_name, &by_file}) {
    cuda::Function<double(double, double)> hypot(*library, "hypot");
    CHECK(hypot(3, 4) == 5);
    CHECK(hypot(6, 8) == 10);
  }
}

TEST_CASE("a missing library, or a function that it lacks, is an error that says what to do, each time") {
  cuda::Library none("libnowhere.so.9", "/nowhere/libnowhere.so"), math("libm.so.6", "");
  cuda::Function<int(int)> there(none, "there"), lacking(math, "lacking");
  for (int call = 0; call < 2; ++call) {
    CHECK_THROWS_WITH_AS(there(1), doctest::Contains("libnowhere.so.9 is not where the system looks for libraries"),
                         DeviceError);
    CHECK_THROWS_WITH_AS(there(1), doctest::Contains("/nowhere/libnowhere.so; LD_LIBRARY_PATH may name its folder"),
                         DeviceError);
    CHECK_THROWS_WITH_AS(lacking(1), doctest::Contains("libm.so.6 has no lacking"), DeviceError);
  }
}
