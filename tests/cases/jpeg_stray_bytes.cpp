// Pictures of drones and phones, against the letter of the standard, that Pillow and browsers open.
#include <doctest/doctest.h>

#include "cases/jpeg_as_found.h"

using namespace mec::test;

TEST_CASE_FIXTURE(JpegFixture,
                  "JPEG files with stray bytes or without an end are read as Pillow reads them") {
  for (const char* name : {"dji_junk_ff00_late", "jpg_extra_rst_end", "jpg_rst_extra_bytes",
                           "junk_late_ff01", "junk_late_rst", "samsung_trailer_no_eoi"}) {
    check_as_pillow(name);
  }
}
