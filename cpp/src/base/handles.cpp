#include "handles.h"

#include <string>
#include <unordered_map>

namespace trtd {
namespace {

struct Table {
  std::mutex mutex;
  uint64_t next = 1;
  std::unordered_map<uint64_t, std::shared_ptr<Object>> objects;
};

// Never destroyed: objects must not be freed after the libraries' own exit handlers.
Table& table() {
  static Table* const instance = new Table;
  return *instance;
}

}  // namespace

const char* kindName(Kind kind) {
  static const char* const names[] = {"device", "memory",  "stream", "library", "builder", "network",
                                      "config", "profile", "blob",   "runtime", "engine",  "context",
                                      "kernels", "letterbox", "detections", "jpeg", "pipeline", "runner"};
  return names[static_cast<size_t>(kind)];
}

uint64_t publish(std::shared_ptr<Object> object) {
  std::lock_guard<std::mutex> lock(table().mutex);
  const uint64_t handle = table().next++;
  table().objects.emplace(handle, std::move(object));
  return handle;
}

std::shared_ptr<Object> lookUp(uint64_t handle, Kind kind) {
  std::lock_guard<std::mutex> lock(table().mutex);
  const auto found = table().objects.find(handle);
  if (found == table().objects.end()) {
    fail(TRTD_INVALID_HANDLE,
         "Handle " + std::to_string(handle) + " is no open " + kindName(kind) + ": it was closed or never made");
  }
  if (found->second->kind != kind) {
    fail(TRTD_INVALID_HANDLE, "Handle " + std::to_string(handle) + " is a " + kindName(found->second->kind) +
                                  ", not a " + kindName(kind));
  }
  return found->second;
}

void withdraw(uint64_t handle) {
  std::shared_ptr<Object> last;
  std::lock_guard<std::mutex> lock(table().mutex);
  const auto found = table().objects.find(handle);
  if (found == table().objects.end()) return;
  last = std::move(found->second);
  table().objects.erase(found);
}

uint64_t liveHandles() {
  std::lock_guard<std::mutex> lock(table().mutex);
  return table().objects.size();
}

}  // namespace trtd

extern "C" {

uint64_t trtd_live_handles(void) {
  uint64_t count = 0;
  trtd::guard(nullptr, [&] { count = trtd::liveHandles(); });
  return count;
}

int32_t trtd_close(uint64_t handle, trtd_error* error) {
  return trtd::guard(error, [&] { trtd::withdraw(handle); });
}
}
