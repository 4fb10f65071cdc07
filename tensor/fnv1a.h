// FNV-1a, 64 bits: tells texts and lists apart, and is not safe against those who want two to look
// alike.
#pragma once

#include <cstdint>
#include <string_view>

namespace mec {

inline std::uint64_t fnv1a(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3U;
  return hash;
}

}  // namespace mec
