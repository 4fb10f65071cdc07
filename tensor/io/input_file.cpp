#include "mec/tensor/io/input_file.h"

#include <algorithm>
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

std::vector<std::uint8_t> InputFile::read(std::uint64_t bytes, const char* what,
                                          std::uint64_t room) {
  std::vector<std::uint8_t> content;
  if (bytes <= remaining()) {  // else the file is cut short, and memory would be asked for in vain
    try {
      content.reserve(std::max(bytes, room));
      content.resize(bytes);
    } catch (const std::exception&) {  // bad_alloc or length_error
      throw MemoryError(concat(name_, ": ", what, " takes ", std::max(bytes, room),
                               " bytes of memory, and there are not as many"));
    }
  }
  read(content.data(), bytes, what);
  return content;
}

void InputFile::seek(std::uint64_t position) {
  check<IoError>(position <= size_, name_, ": the file is truncated: it has ", size_,
                 " bytes, but byte ", position, " is to be read");
  stream_.seekg(static_cast<std::streamoff>(position));
  position_ = position;
}

std::vector<std::uint8_t> read_file(const std::filesystem::path& path) {
  InputFile file(path);
  return file.read(file.size(), "the content");
}

}  // namespace mec
