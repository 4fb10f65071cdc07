// Calls of the C interface that must succeed, and those that must fail.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "mec.h"

namespace mec::test {

inline void ok(mec_status status) { REQUIRE_MESSAGE(status == MEC_OK, std::string(mec_last_error())); }

// The call fails with this status, and the message names the call and says why.
inline void fails(mec_status status, mec_status expected, const std::string& call, const std::string& why) {
  const std::string said = mec_last_error();
  CAPTURE(said);
  CHECK(status == expected);
  CHECK(said.starts_with(call + ": "));
  CHECK(said.find(why) != std::string::npos);
  CHECK(said.find('\n') == std::string::npos);
}

inline std::map<std::string, double> by_name(const mec_figures& figures) {
  std::map<std::string, double> all;
  for (std::int64_t i = 0; i < figures.count; ++i) all[figures.names[i]] = figures.values[i];
  return all;
}

// The CPU on one thread, as `--threads 1`.
inline mec_device one_thread() {
  mec_device device = MEC_DEVICE_INIT;
  device.threads = 1;
  return device;
}

}  // namespace mec::test
