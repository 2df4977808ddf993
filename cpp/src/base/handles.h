// 64-bit ids for shared objects.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

#include "errors.h"

namespace trtd {

enum class Kind : uint8_t {
  device, memory, stream, library, builder, network, config, profile, blob, runtime, engine, context,
  kernels, letterbox, detections, jpeg, pipeline, runner
};

struct Object {
  explicit Object(Kind objectKind) : kind(objectKind) {}
  virtual ~Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  const Kind kind;
  std::mutex mutex;
};

const char* kindName(Kind kind);

uint64_t publish(std::shared_ptr<Object> object);
std::shared_ptr<Object> lookUp(uint64_t handle, Kind kind);
void withdraw(uint64_t handle);
uint64_t liveHandles();

// The object behind a handle; T::KIND says which kind is meant.
template <class T>
std::shared_ptr<T> get(uint64_t handle) {
  return std::static_pointer_cast<T>(lookUp(handle, T::KIND));
}

// The object behind a handle, locked for the caller.
template <class T>
class Locked {
 public:
  explicit Locked(uint64_t handle) : object_(get<T>(handle)), lock_(object_->mutex) {}
  T* operator->() const { return object_.get(); }
  T& operator*() const { return *object_; }
  const std::shared_ptr<T>& share() const { return object_; }

 private:
  std::shared_ptr<T> object_;
  std::unique_lock<std::mutex> lock_;
};

// Checks the place for a new handle before work is done.
inline void requireOut(const void* out, const char* message) { require(out != nullptr, message); }

}  // namespace trtd
