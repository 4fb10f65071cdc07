#include "fuzz/targets.h"

#include <algorithm>
#include <exception>
#include <typeinfo>

#include "mec/tensor/error.h"
#include "tensor/io_files.h"

namespace mec::fuzz {

std::span<const Target> targets() {
  static constexpr Target kTargets[] = {{"bmp", bmp},
                                        {"checkpoint", checkpoint},
                                        {"cifar", cifar},
                                        {"exif", exif},
                                        {"gif", gif},
                                        {"gzip", gzip},
                                        {"idx", idx},
                                        {"jpeg", jpeg},
                                        {"jpeg_stb", jpeg_stb},
                                        {"npy", npy},
                                        {"plans", plans},
                                        {"png", png},
                                        {"png_stb", png_stb},
                                        {"pnm", pnm},
                                        {"safetensors", safetensors},
                                        {"settings", settings},
                                        {"tiff", tiff},
                                        {"webp", webp},
                                        {"weights", weights}};
  return kTargets;
}

std::string finding_of(const Target& target, Bytes bytes) {
  try {
    target.read(bytes);
  } catch (const Error& error) {
    if (std::string_view(error.what()).empty()) return concat(target.name, ": an error without text");
  } catch (const std::exception& error) {
    return concat(target.name, ": ", typeid(error).name(), ": ", error.what());
  } catch (...) {
    return concat(target.name, ": an exception of unknown type");
  }
  return {};
}

std::filesystem::path put(const std::string& name, Bytes bytes) {
  static const test::TempFolder folder;
  const std::filesystem::path path = folder / name;
  test::write_bytes(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return path;
}

std::pair<Bytes, Bytes> split(Bytes bytes) {
  if (bytes.size() < 2) return {};
  const std::size_t stated = std::size_t{bytes[0]} | std::size_t{bytes[1]} << 8;
  const std::size_t length = std::min(stated, bytes.size() - 2);
  return {bytes.subspan(2, length), bytes.subspan(2 + length)};
}

}  // namespace mec::fuzz
