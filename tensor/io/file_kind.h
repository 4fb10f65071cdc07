// Recognises a file that is not of the format asked for, so that an error can say what it is.
#pragma once

#include <filesystem>
#include <string>

namespace mec {

// "a PyTorch file (.pth, .pt, .ckpt), …" for a format that people mistake for weights or arrays,
// and what to do with it. Recognised by the first bytes and, in archives, by the names of the
// members. Empty for others, such as a damaged file.
std::string describe_other_format(const std::filesystem::path& path);

}  // namespace mec
