// Watch: ends the process where a call that cannot be given up does not return.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>

#include "mec/tensor/waiting.h"

namespace mec {

// Lives as long as the call. After `seconds` it writes "error: …" and ends the process with status
// 1. Where no thread can be started, the call goes unwatched.
class Watch {
 public:
  Watch(double seconds, const char* error) noexcept {  // the text outlives it
    try {
      thread_ = std::thread([this, seconds, error] { run(seconds, error); });
    } catch (const std::exception&) {
    }
  }
  ~Watch() {
    if (!thread_.joinable()) return;
    {
      const std::lock_guard lock(mutex_);
      returned_ = true;
    }
    over_.notify_one();
    thread_.join();
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  void run(double seconds, const char* error) {
    std::unique_lock lock(mutex_);
    for (Waiting waiting; waiting.seconds() < seconds;) {
      if (over_.wait_for(lock, std::chrono::seconds(1), [this] { return returned_; })) return;
    }
    std::fprintf(stderr, "error: %s\n", error);
    std::_Exit(1);
  }

  std::mutex mutex_;
  std::condition_variable over_;
  bool returned_ = false;
  std::thread thread_;  // uses the members above
};

}  // namespace mec
