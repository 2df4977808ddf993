// JPEG files to pixels in device memory by nvJPEG, which is opened at run time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "cuda/cuda.h"

namespace trtd {

// A JPEG file in host memory, and where its pixels go: packed RGB u8, [height, width, 3], width * height * 3 bytes.
struct JpegPicture {
  const uint8_t* data;
  size_t bytes;
  CudaAddress rgb;
  int width;
  int height;
};

// The check of files while the GPU decodes them. Its end waits for the check, which reads the files.
class JpegInspection {
 public:
  // Waits for the check. Fails with TRTD_PICTURE_REFUSED, `code` being the index of the picture to decode on the CPU.
  void finish();

 private:
  friend class JpegDecoder;
  std::vector<std::string> wrong_;
  std::vector<std::future<void>> shares_;
  uint64_t* refused_ = nullptr;
  uint64_t* decoded_ = nullptr;
  uint64_t pictures_ = 0;  // that count as decoded once they are found sound
};

// The decoder of one pipeline: its buffers serve one call at a time (the handle's lock, or the pipeline's).
class JpegDecoder final : public Object {
 public:
  static constexpr Kind KIND = Kind::jpeg;
  // `path` null looks where nvJPEG is usually found; `backend` is a trtd_jpeg_backend, `flags` are trtd_jpeg_flag bits.
  // Fails with TRTD_LIBRARY_NOT_LOADED, TRTD_SYMBOL_MISSING, TRTD_UNSUPPORTED, TRTD_OUT_OF_MEMORY, TRTD_CUDA_ERROR.
  JpegDecoder(std::shared_ptr<Device> owner, const char* path, int32_t backend, int32_t flags);
  ~JpegDecoder() override;

  // Puts the decoding of all pictures into the stream, which must be through with the call before; makes the device
  // current. The files must stay until the stream is through and the inspection is gone, and no pixel is to be believed
  // before it has finished: give the GPU all other work of the run first. Fails with TRTD_PICTURE_REFUSED, `code` being
  // the index of the picture to decode on the CPU (work of other pictures may be in the stream), TRTD_OUT_OF_MEMORY,
  // TRTD_CUDA_ERROR.
  std::unique_ptr<JpegInspection> enqueue(const JpegPicture* pictures, size_t count, CudaStream stream);
  // The same with the inspection finished.
  void decode(const JpegPicture* pictures, size_t count, CudaStream stream);

  trtd_jpeg_info facts() const;

  const std::shared_ptr<Device> device;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace trtd
