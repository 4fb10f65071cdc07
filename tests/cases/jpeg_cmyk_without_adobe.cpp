// Four inks that no marker declares.
#include <doctest/doctest.h>

#include "cases/jpeg_as_found.h"

using namespace mec::test;

TEST_CASE_FIXTURE(JpegFixture, "a CMYK JPEG without Adobe's marker has Pillow's colours") {
  check_as_pillow("cmyk_without_adobe");
}
