// What a file is that is not of the format asked for, so that an error can say so.
#pragma once

#include <filesystem>
#include <string>

namespace mec {

// "a PyTorch file (.pth, .pt, .ckpt), …" for a format that people take for weights or arrays, and
// what to do with it; told by the first bytes and, in archives, by the names within. Empty for
// others, a damaged file say.
std::string describe_other_format(const std::filesystem::path& path);

}  // namespace mec
