// Bytes that TensorRT made (IHostMemory).
#pragma once

#include "cuda/cuda.h"
#include "library.h"

namespace trtd {

struct Blob final : Object {
  static constexpr Kind KIND = Kind::blob;
  // Takes the IHostMemory over; empty memory is a failure with `status`.
  Blob(std::shared_ptr<Library> owner, std::shared_ptr<Object> maker, void* memory, int32_t status);

  const std::shared_ptr<Library> library;
  const std::shared_ptr<Object> origin;  // kept alive: memory goes before what made it
  Native memory;
  const uint8_t* data = nullptr;
  uint64_t bytes = 0;
};

}  // namespace trtd
