// NCCL, as much of it as mec calls, between the software GPUs of processes of one machine: data
// move through shared memory, and sums are added in the order of ranks. Calls that differ from rank
// to rank, which NCCL leaves undefined, are an error of all ranks.
#include <fcntl.h>
#include <nccl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "software_gpu/memory.h"
#include "software_gpu/streams.h"

using namespace mec::software_gpu;

namespace {

constexpr int kMostRanks = 8;
constexpr std::size_t kSlot = std::size_t{1} << 20;  // bytes of a rank that are shown at a time

struct Call {
  int kind = 0, type = 0;
  std::size_t count = 0;
  bool operator==(const Call&) const = default;
};

// What the processes share. All bytes are zero at first.
struct Shared {
  std::atomic<int> joined, arrived, round;
  Call calls[kMostRanks];
  std::byte slots[kMostRanks][kSlot];
};

struct Group {
  Shared* shared = nullptr;
  int rank = 0, size = 1;
  std::atomic<ncclResult_t> error{ncclSuccess};

  template <class Condition> static void wait(Condition condition) {
    while (!condition()) std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  // Returns when all ranks are here.
  void meet() const {
    const int round = shared->round;
    if (shared->arrived.fetch_add(1) + 1 == size) {
      shared->arrived = 0;
      ++shared->round;
    } else {
      wait([&] { return shared->round != round; });
    }
  }
  bool agree(const Call& call) {
    shared->calls[rank] = call;
    meet();
    const bool same = std::all_of(shared->calls, shared->calls + size, [&](const Call& other) { return other == call; });
    if (same) meet();
    else error = ncclInvalidUsage;
    return same;
  }
};
Group& of(ncclComm_t group) { return *reinterpret_cast<Group*>(group); }

// Shows `count` elements a piece at a time; read(first element, elements) finds all ranks' in the
// slots.
template <class T, class Read> void show(Group& group, const T* own, std::size_t count, Read read) {
  constexpr std::size_t kMost = kSlot / sizeof(T);
  for (std::size_t at = 0; at < count; at += kMost) {
    const std::size_t some = std::min(kMost, count - at);
    std::memcpy(group.shared->slots[group.rank], own + at, some * sizeof(T));
    group.meet();
    read(at, some);
    group.meet();
  }
}

template <class T> void add_up(Group& group, const T* from, T* to, std::size_t count) {
  show(group, from, count, [&](std::size_t at, std::size_t some) {
    for (std::size_t i = 0; i < some; ++i) {
      T sum{};
      for (int rank = 0; rank < group.size; ++rank) {
        T value;
        std::memcpy(&value, group.shared->slots[rank] + i * sizeof(T), sizeof(T));
        sum = rank == 0 ? value : sum + value;
      }
      to[at + i] = sum;
    }
  });
}

std::uintptr_t word(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

ncclResult_t start(ncclComm_t handle, const char* name, const void* from, void* to, const Call& call, cudaStream_t stream,
                   const std::function<void(Group&)>& run) {
  Group& group = of(handle);
  if (group.error != ncclSuccess) return group.error;
  Operation operation{.name = name,
                      .words = {word(from), word(to)},
                      .run =
                          [&group, call, run] {
                            if (group.agree(call)) run(group);
                          },
                      .waits_for_others = true};
  return enqueue(stream, std::move(operation)) == cudaSuccess ? ncclSuccess : ncclUnhandledCudaError;
}

}  // namespace

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}
const char* ncclGetErrorString(ncclResult_t result) {
  return result == ncclInvalidUsage ? "invalid usage" : "an error of the software NCCL";
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  static std::atomic<int> made{0};
  std::snprintf(id->internal, sizeof id->internal, "/mec-software-nccl-%d-%d", static_cast<int>(::getpid()), made++);
  const int file = ::shm_open(id->internal, O_CREAT | O_EXCL | O_RDWR, 0600);
  if (file < 0 || ::ftruncate(file, sizeof(Shared)) != 0) return ncclSystemError;
  ::close(file);
  return ncclSuccess;
}
ncclResult_t ncclCommInitRank(ncclComm_t* handle, int size, ncclUniqueId id, int rank) {
  const int file = ::shm_open(id.internal, O_RDWR, 0600);
  if (file < 0 || size > kMostRanks || rank < 0 || rank >= size) return ncclInvalidArgument;
  void* const memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (memory == MAP_FAILED) return ncclSystemError;
  auto* const group = new Group{.shared = static_cast<Shared*>(memory), .rank = rank, .size = size};
  ++group->shared->joined;
  group->wait([&] { return group->shared->joined == size; });
  if (rank == 0) ::shm_unlink(id.internal);
  *handle = reinterpret_cast<ncclComm_t>(group);
  work_alone();
  return ncclSuccess;
}
ncclResult_t ncclCommDestroy(ncclComm_t handle) {
  ::munmap(of(handle).shared, sizeof(Shared));
  delete &of(handle);
  return ncclSuccess;
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t handle, ncclResult_t* error) {
  *error = of(handle).error;
  return ncclSuccess;
}

ncclResult_t ncclAllGather(const void* from, void* to, size_t count, ncclDataType_t type, ncclComm_t handle,
                           cudaStream_t stream) {
  if (type != ncclUint8) return ncclInvalidArgument;
  return start(handle, "ncclAllGather", from, to, {.kind = 1, .type = type, .count = count}, stream, [=](Group& group) {
    show(group, static_cast<const std::byte*>(from), count, [&](std::size_t at, std::size_t some) {
      for (int rank = 0; rank < group.size; ++rank)
        std::memcpy(static_cast<std::byte*>(to) + static_cast<std::size_t>(rank) * count + at, group.shared->slots[rank], some);
    });
  });
}
ncclResult_t ncclAllReduce(const void* from, void* to, size_t count, ncclDataType_t type, ncclRedOp_t op, ncclComm_t handle,
                           cudaStream_t stream) {
  if (op != ncclSum || (type != ncclFloat32 && type != ncclFloat64)) return ncclInvalidArgument;
  return start(handle, "ncclAllReduce", from, to, {.kind = 2, .type = type, .count = count}, stream, [=](Group& group) {
    if (type == ncclFloat32) add_up(group, static_cast<const float*>(from), static_cast<float*>(to), count);
    else add_up(group, static_cast<const double*>(from), static_cast<double*>(to), count);
  });
}
ncclResult_t ncclBroadcast(const void* from, void* to, size_t count, ncclDataType_t type, int root, ncclComm_t handle,
                           cudaStream_t stream) {
  if (type != ncclUint8 || root != 0) return ncclInvalidArgument;
  return start(handle, "ncclBroadcast", from, to, {.kind = 3, .type = type, .count = count}, stream, [=](Group& group) {
    show(group, static_cast<const std::byte*>(from), count, [&](std::size_t at, std::size_t some) {
      std::memcpy(static_cast<std::byte*>(to) + at, group.shared->slots[0], some);
    });
  });
}

}  // extern "C"
