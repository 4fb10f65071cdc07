// Whether there is a CUDA device, and if not, why: one clear reason for the many ways in which a
// machine can lack one.
#pragma once

#include <string>

namespace mec::cuda {

// What was found out. Versions as CUDA counts them, 1000·major + 10·minor; driver 0: none.
struct Probe {
  int driver = 0;
  int runtime = 0;
  int devices = 0;
  bool driver_too_old = false;
  std::string failure = {};  // what else went wrong, in CUDA's words
};

// "no driver", "driver too old (needs CUDA 13.0, has 12.2)", "no device", …; empty where there are
// devices.
std::string why_no_device(const Probe& probe);

std::string version_text(int version);  // 12040 -> "12.4"

}  // namespace mec::cuda
