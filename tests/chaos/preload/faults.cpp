// For LD_PRELOAD: makes the program's calls on the files of one folder fail, hang, or be the last
// thing that it does. No root and no special disk is needed.
//
//   FAULTS_FOLDER   the folder whose files count
//   FAULTS_FILE     only files whose path holds this text
//   FAULTS_CALL     only calls of this name: open, write, flush, fsync, rename, truncate
//   FAULTS_AT       the number, from 1, of the call that meets the fault
//   FAULTS_KIND     once: that call fails; on: it and all later ones; each: every FAULTS_AT-th one;
//                   kill: the process is killed there; hang: the call never returns
//   FAULTS_DELAY    milliseconds that each call that counts takes longer, as on a slow disk
//   FAULTS_ERRNO    how they fail, as a number (ENOSPC)
//   FAULTS_COUNT    a file that gets the number of calls at the end
//
// The C library's own calls within fwrite() cannot be replaced, so that the first fwrite() of each
// file and its fflush() stand for them.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value ? value : "";
}

std::string path_of(int descriptor) {
  char path[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  const ssize_t length = ::readlink(link.c_str(), path, sizeof path);
  return length > 0 ? std::string(path, static_cast<std::size_t>(length)) : "";
}

std::atomic<long> calls{0};

// Whether this call meets the fault: then errno is set.
bool fails(const std::string& call, const std::string& path) {
  const std::string folder = variable("FAULTS_FOLDER"), only = variable("FAULTS_CALL");
  if (folder.empty() || path.rfind(folder, 0) != 0 || path.find(variable("FAULTS_FILE")) == std::string::npos) return false;
  if (!only.empty() && only != call) return false;
  ::usleep(1000 * static_cast<useconds_t>(std::atoi(variable("FAULTS_DELAY").c_str())));
  const long number = ++calls, at = std::atol(variable("FAULTS_AT").c_str());
  const std::string kind = variable("FAULTS_KIND");
  if (at < 1 || number < at || (kind == "each" ? number % at != 0 : kind != "on" && number > at)) return false;
  if (kind == "kill") std::raise(SIGKILL);
  while (kind == "hang") ::pause();
  errno = std::atoi(variable("FAULTS_ERRNO").c_str());
  return true;
}

template <class Function> Function next(const char* name) { return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name)); }

int open_as(const char* name, const char* path, int flags, mode_t mode) {
  if (fails("open", path)) return -1;
  return next<int (*)(const char*, int, mode_t)>(name)(path, flags, mode);
}

struct AtEnd {
  ~AtEnd() {
    const std::string path = variable("FAULTS_COUNT");
    std::FILE* const file = path.empty() ? nullptr : std::fopen(path.c_str(), "w");
    if (!file) return;
    std::fprintf(file, "%ld", calls.load());
    std::fclose(file);
  }
} at_end;

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const auto mode = static_cast<mode_t>(flags & O_CREAT ? va_arg(rest, int) : 0);
  va_end(rest);
  return open_as("open", path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const auto mode = static_cast<mode_t>(flags & O_CREAT ? va_arg(rest, int) : 0);
  va_end(rest);
  return open_as("open64", path, flags, mode);
}

// As C++'s streams open files.
std::FILE* fopen(const char* path, const char* mode) {
  if (fails("open", path)) return nullptr;
  return next<std::FILE* (*)(const char*, const char*)>("fopen")(path, mode);
}

std::FILE* fopen64(const char* path, const char* mode) {
  if (fails("open", path)) return nullptr;
  return next<std::FILE* (*)(const char*, const char*)>("fopen64")(path, mode);
}

// Every second fault is a write of a part, as on a disk that is nearly full.
ssize_t write(int descriptor, const void* data, std::size_t bytes) {
  static std::atomic<int> faults{0};
  const auto real = next<ssize_t (*)(int, const void*, std::size_t)>("write");
  if (!fails("write", path_of(descriptor))) return real(descriptor, data, bytes);
  return faults++ % 2 == 0 && bytes > 1 ? real(descriptor, data, bytes / 2) : -1;
}

std::size_t fwrite(const void* data, std::size_t size, std::size_t count, std::FILE* file) {
  const auto real = next<std::size_t (*)(const void*, std::size_t, std::size_t, std::FILE*)>("fwrite");
  const bool is_first = std::ftell(file) == 0;
  if (!is_first || !fails("write", path_of(::fileno(file)))) return real(data, size, count, file);
  return real(data, size, count / 2, file);
}

int fflush(std::FILE* file) {
  if (file && fails("flush", path_of(::fileno(file)))) return EOF;
  return next<int (*)(std::FILE*)>("fflush")(file);
}

int fsync(int descriptor) {
  if (fails("fsync", path_of(descriptor))) return -1;
  return next<int (*)(int)>("fsync")(descriptor);
}

int rename(const char* from, const char* to) {
  if (fails("rename", from)) return -1;
  return next<int (*)(const char*, const char*)>("rename")(from, to);
}

int ftruncate(int descriptor, off_t size) {
  if (fails("truncate", path_of(descriptor))) return -1;
  return next<int (*)(int, off_t)>("ftruncate")(descriptor, size);
}

}  // extern "C"
