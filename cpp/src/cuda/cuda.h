// The CUDA driver API, opened at run time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/handles.h"

namespace trtd {

using CudaContext = void*;
using CudaStream = void*;
using CudaAddress = uint64_t;

// cuda.inc lists the entry points.
struct Cuda {
  void* library = nullptr;
  std::string path;
#define CUDA(member, symbol, older, parameters) int (*member) parameters = nullptr;
#include "cuda.inc"
#undef CUDA
  void check(int result, const char* function) const;
};

// The driver, opened (from the default name when nobody named one) and started.
std::shared_ptr<const Cuda> cuda();

struct Device final : Object {
  static constexpr Kind KIND = Kind::device;
  Device(std::shared_ptr<const Cuda> api, int32_t deviceIndex);
  ~Device() override;
  void makeCurrent() const;

  const std::shared_ptr<const Cuda> cuda;
  const int32_t index;
  int device = 0;
  CudaContext context = nullptr;
};

struct Memory final : Object {
  static constexpr Kind KIND = Kind::memory;
  Memory(std::shared_ptr<Device> owner, uint64_t size);
  ~Memory() override;

  const std::shared_ptr<Device> device;
  const uint64_t bytes;
  CudaAddress address = 0;
};

struct Stream final : Object {
  static constexpr Kind KIND = Kind::stream;
  explicit Stream(std::shared_ptr<Device> owner);
  ~Stream() override;

  const std::shared_ptr<Device> device;
  CudaStream stream = nullptr;
};

// Makes the context current where a device is meant; null is no device.
inline void makeCurrent(const std::shared_ptr<Device>& device) {
  if (device) device->makeCurrent();
}
// For destructors.
void makeCurrentQuietly(const std::shared_ptr<Device>& device) noexcept;

}  // namespace trtd
