// What the C interface hands out: numbers in the place of addresses, which are never used again. So
// a handle that was freed is told from every open one, and a call that uses what another thread
// frees keeps it until it returns.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "mec/capi/calls.h"

namespace mec::capi {

// The open handles of one kind. kName: "encoder".
template <class Object> class Handles {
 public:
  // C's type of the handle.
  using Handle = typename Object::Handle;

  // make() returns the object, which need not be one that can be moved.
  template <class Make> Handle* add(Make&& make) {
    const std::shared_ptr<Object> object(new Object(make()));
    const std::lock_guard lock(mutex_);
    const std::uintptr_t number = next_;
    objects_.emplace(number, object);
    next_ += kStep;
    return reinterpret_cast<Handle*>(number);
  }

  // HandleError where it is null, or not open.
  std::shared_ptr<Object> find(const Handle* handle) {
    const std::lock_guard lock(mutex_);
    return locate(handle)->second;
  }

  void free(const Handle* handle) {
    std::shared_ptr<Object> object;  // destroyed outside the lock
    const std::lock_guard lock(mutex_);
    const auto found = locate(handle);
    object = std::move(found->second);
    objects_.erase(found);
  }

 private:
  // Odd, so that no address of an object is like it; kinds differ in their last digits.
  static constexpr std::uintptr_t kStep = 16;

  auto locate(const Handle* handle) {
    check<HandleError>(handle != nullptr, "the ", Object::kName, " is null");
    const auto found = objects_.find(reinterpret_cast<std::uintptr_t>(handle));
    check<HandleError>(found != objects_.end(), "this is no open ", Object::kName, ": it was freed, or is something else");
    return found;
  }

  std::mutex mutex_;
  std::unordered_map<std::uintptr_t, std::shared_ptr<Object>> objects_;
  std::uintptr_t next_ = kStep + Object::kDigit;
};

// Made at the first use, and never destroyed: threads may still use handles while the process ends.
template <class Object> Handles<Object>& handles() {
  static auto* const all = new Handles<Object>;
  return *all;
}

// Opens a handle: what make() returns, or null where it throws.
template <class Object, class Make> void open_handle(typename Object::Handle** handle, Make&& make) {
  check<HandleError>(handle != nullptr, "the address of the ", Object::kName, " is null");
  *handle = nullptr;
  *handle = handles<Object>().add(make);
}

// An object for one call, which waits for those of other threads.
template <class Object> class Use {
 public:
  explicit Use(const typename Object::Handle* handle) : object_(handles<Object>().find(handle)), lock_(object_->mutex) {}
  Object& operator*() const { return *object_; }
  Object* operator->() const { return object_.get(); }

 private:
  std::shared_ptr<Object> object_;
  std::lock_guard<std::mutex> lock_;
};

}  // namespace mec::capi
