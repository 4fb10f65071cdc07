#include "mec/data/gzip.h"

#include "mec/tensor/error.h"
#include "mec/tensor/io/input_file.h"
#include "mec/tensor/io/limits.h"
#include "mec/tensor/machine_memory.h"

#if MEC_HAVE_ZLIB
#include <zlib.h>

#include <algorithm>
#include <limits>
#endif

namespace mec {
namespace {

using Bytes = std::vector<std::uint8_t>;

#if MEC_HAVE_ZLIB

class Inflater {
 public:
  explicit Inflater(const std::string& name) {
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    check<IoError>(inflateInit2(&stream_, kGzipOnly) == Z_OK, name, ": zlib could not be started");
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  z_stream* operator->() { return &stream_; }
  int run() { return inflate(&stream_, Z_NO_FLUSH); }
  int restart() { return inflateReset(&stream_); }

 private:
  z_stream stream_{};
};

void grow(Bytes& content, std::uint64_t bytes, const std::string& name) {
  check<MemoryError>(bytes <= machine_memory(), name, ": unpacking it takes ", bytes >> 20,
                     " MiB, but the machine or its control group has ", machine_memory() >> 20, " MiB");
  try {
    content.resize(bytes);
  } catch (const std::exception&) {  // bad_alloc or length_error
    throw MemoryError(concat(name, ": unpacking it takes ", bytes >> 20, " MiB of memory, and there are not as many"));
  }
}

Bytes unpack(const Bytes& packed, const std::string& name) {
  constexpr std::size_t kMax = std::numeric_limits<uInt>::max();
  check<IoError>(packed.size() <= kMax, name, ": gzip files above 4 GiB are not supported");
  Inflater inflater(name);
  inflater->next_in = const_cast<Bytef*>(packed.data());  // zlib's interface predates const
  inflater->avail_in = static_cast<uInt>(packed.size());

  // Grown as data arrive: the size that a damaged file claims is not trusted.
  const std::uint64_t most = limits::unpacked(packed.size(), limits::kGzipRatio);
  Bytes content;
  grow(content, std::min<std::uint64_t>(most, 4 * packed.size() + 4096), name);
  std::size_t used = 0;
  while (true) {
    if (used == content.size()) {
      check<IoError>(used < most, name, ": its ", packed.size(), " bytes unpack to more than ", most,
                     "; data sets of images do not pack as tightly");
      grow(content, std::min<std::uint64_t>(most, 2 * used), name);
    }
    const std::size_t room = std::min(content.size() - used, kMax);
    inflater->next_out = content.data() + used;
    inflater->avail_out = static_cast<uInt>(room);
    const int status = inflater.run();
    used += room - inflater->avail_out;
    if (status == Z_STREAM_END) {
      if (inflater->avail_in == 0) break;
      check<IoError>(inflater.restart() == Z_OK, name, ": zlib could not be restarted");  // a further gzip member
      continue;
    }
    check<IoError>(status == Z_OK || status == Z_BUF_ERROR, name,
                   ": the gzip data are damaged: ", inflater->msg ? inflater->msg : "unknown reason");
    check<IoError>(inflater->avail_in > 0 || inflater->avail_out == 0, name, ": the gzip file is truncated");
  }
  content.resize(used);
  return content;
}

Bytes pack(std::span<const std::uint8_t> bytes) {
  uLongf size = compressBound(static_cast<uLong>(bytes.size()));
  Bytes packed(size);
  const int status = compress2(packed.data(), &size, bytes.data(), static_cast<uLong>(bytes.size()), Z_BEST_COMPRESSION);
  check<IoError>(status == Z_OK, "deflate: zlib failed with status ", status, " on ", bytes.size(), " bytes");
  packed.resize(size);
  return packed;
}

#else

Bytes pack(std::span<const std::uint8_t>) {
  throw IoError("deflate: this build of mec has no zlib and cannot compress; build it with zlib");
}

Bytes unpack(const Bytes&, const std::string& name) {
  // The kind of a data set is detected from its folder's name, so the unpacked files must lie in a
  // folder of the same name.
  const std::filesystem::path path = std::filesystem::absolute(name);
  const std::string unpacked = (path.parent_path().filename() / path.stem()).string();
  throw IoError(concat(name,
                       ": this build of mec has no zlib and cannot read gzip; unpack such files into a folder of the same ",
                       "name (gunzip -c ", name, " > PLACE/", unpacked, ") and give that folder as data.path or --data, ",
                       "or build with zlib"));
}

#endif

}  // namespace

Bytes read_maybe_gzip(const std::filesystem::path& path) {
  Bytes content = read_file(path);
  const bool is_gzip = content.size() >= 2 && content[0] == 0x1f && content[1] == 0x8b;
  check<IoError>(is_gzip || path.extension() != ".gz", path.string(), ": named .gz, but it is not a gzip file");
  return is_gzip ? unpack(content, path.string()) : content;
}

Bytes compress_bytes(std::span<const std::uint8_t> bytes) { return pack(bytes); }

}  // namespace mec
