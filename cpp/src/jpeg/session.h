// nvJPEG's handle of a device.
#pragma once

#include <memory>
#include <string>

#include "nvjpeg.h"

namespace trtd {

// nvJPEG on a device, shared by its decoders: half a second to make.
struct NvJpegSession {
  const std::shared_ptr<const NvJpeg> api;
  void* handle = nullptr;
  unsigned engines = 0;
  bool interpolates = false;

  explicit NvJpegSession(std::shared_ptr<const NvJpeg> library) : api(std::move(library)) {}
  ~NvJpegSession() {
    if (handle != nullptr) api->destroy(handle);
  }
  NvJpegSession(const NvJpegSession&) = delete;
  NvJpegSession& operator=(const NvJpegSession&) = delete;
};

// The handle for a trtd_jpeg_backend, the same for all decoders that live at once and wish the same. Where nvJPEG does not
// interpolate, it is one that does not. Fails with TRTD_LIBRARY_NOT_LOADED, TRTD_SYMBOL_MISSING, TRTD_UNSUPPORTED,
// TRTD_OUT_OF_MEMORY, TRTD_CUDA_ERROR.
std::shared_ptr<NvJpegSession> nvJpegSession(const Device& device, const char* path, int backend, bool interpolate);

// Fails, in the library's name, unless making one of its objects gave NVJPEG_OK.
void nvJpegMade(const Cuda& cuda, const NvJpeg& api, int status, const char* function);

}  // namespace trtd
