#include "mec/tensor/io/input_file.h"

#include <cerrno>
#include <string>
#include <system_error>

#include "mec/tensor/error.h"

namespace mec {

InputFile::InputFile(const std::filesystem::path& path) : name_(path.string()) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  check<IoError>(std::filesystem::exists(status), "cannot read ", name_, ": no such file");
  check<IoError>(std::filesystem::is_regular_file(status), "cannot read ", name_, ": it is not a regular file");
  size_ = std::filesystem::file_size(path, error);
  errno = 0;
  stream_.open(path, std::ios::binary);
  const std::string reason = errno != 0 ? std::generic_category().message(errno) : "it cannot be opened";
  check<IoError>(!error && stream_.is_open(), "cannot read ", name_, ": ", reason);
}

void InputFile::read(void* to, std::uint64_t bytes, const char* what) {
  check<IoError>(bytes <= remaining(), name_, ": the file is truncated: ", what, " takes ", bytes, " bytes from byte ",
                 position_, ", but the file has ", size_);
  stream_.read(static_cast<char*>(to), static_cast<std::streamsize>(bytes));
  check<IoError>(stream_.good(), name_, ": reading ", what, " failed at byte ", position_);
  position_ += bytes;
}

std::vector<std::uint8_t> read_file(const std::filesystem::path& path) {
  InputFile file(path);
  std::vector<std::uint8_t> content(file.size());
  file.read(content.data(), content.size(), "the content");
  return content;
}

}  // namespace mec
