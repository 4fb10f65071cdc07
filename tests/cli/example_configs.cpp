#include <doctest/doctest.h>

#include <filesystem>

#include "mec/ssl/run/settings_file.h"
#include "mec/ssl/run/settings_table.h"
#include "support/paths.h"
#include "tensor/io_files.h"

using namespace mec;
using namespace mec::test;

TEST_CASE("the example settings can be read, and explain every key") {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(source_dir() / "examples/configs")) {
    ++files;
    CAPTURE(entry.path().string());
    PretrainSettings settings;
    REQUIRE_NOTHROW(settings = read_settings(entry.path()));
    const std::string text = read_bytes(entry.path());
    for (const Setting& setting : bind_settings(settings)) {
      const std::string name = concat("\n", setting.key.substr(setting.key.rfind('.') + 1), " = ");
      CHECK_MESSAGE(text.find(name) != std::string::npos, setting.key);
    }
  }
  CHECK(files >= 3);
}
