// nvJPEG's functions, opened at run time. It brings its CUDA runtime with it and works in the current primary context.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "cuda/cuda.h"

namespace trtd {

// nvjpegImage_t: the first plane is all that interleaved output has.
struct NvJpegImage {
  unsigned char* channel[4];
  size_t pitch[4];
};

// nvjpegStatus_t and the other numbers that are used, from NVIDIA's documentation.
enum NvJpegStatus {
  NVJPEG_OK = 0,
  NVJPEG_NOT_INITIALIZED = 1,
  NVJPEG_INVALID_PARAMETER = 2,
  NVJPEG_BAD_JPEG = 3,
  NVJPEG_JPEG_NOT_SUPPORTED = 4,
  NVJPEG_ALLOCATOR_FAILURE = 5,
  NVJPEG_EXECUTION_FAILED = 6,
  NVJPEG_ARCH_MISMATCH = 7,
  NVJPEG_INTERNAL_ERROR = 8,
  NVJPEG_IMPLEMENTATION_NOT_SUPPORTED = 9,
  NVJPEG_INCOMPLETE_BITSTREAM = 10
};
enum NvJpegBackend { NVJPEG_HYBRID = 1, NVJPEG_HARDWARE = 3 };
constexpr int NVJPEG_OUTPUT_RGBI = 5;
constexpr unsigned NVJPEG_FLAG_STRICT = 4;
constexpr unsigned NVJPEG_FLAG_INTERPOLATE = 32;
// The first version that has it.
constexpr int NVJPEG_INTERPOLATES = 120100;

struct NvJpeg {
  void* library = nullptr;
  std::string path;
  int version = 0;
#define NVJPEG(member, symbol, parameters) int (*member) parameters = nullptr;
#include "nvjpeg.inc"
#undef NVJPEG
  // Newer libraries only: engines and cores of the hardware decoder.
  int (*getHardwareDecoderInfo)(void*, unsigned*, unsigned*) = nullptr;
};

// The library at `path`, or the newest in the usual places that a driver of this CUDA version takes. Fails with
// TRTD_LIBRARY_NOT_LOADED, TRTD_SYMBOL_MISSING.
std::shared_ptr<const NvJpeg> openNvJpeg(const char* path, int driverMajor);

// A status in words.
const char* nvJpegStatusName(int status);

}  // namespace trtd
