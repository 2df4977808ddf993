// RGB frames from the caller's memory to the device, over pinned memory: while the device fetches what was copied, the host
// copies on.
#pragma once

#include <vector>

#include "copier.h"
#include "lane.h"
#include "trtd.h"

namespace trtd {

// What a frame of RGB needs.
inline uint64_t pixelBytes(const trtd_host_frame& frame) {
  return 3 * static_cast<uint64_t>(frame.width) * static_cast<uint64_t>(frame.height);
}

inline const uint8_t* dataOf(const trtd_host_frame& frame) {
  return reinterpret_cast<const uint8_t*>(static_cast<uintptr_t>(frame.data));
}

// Where a frame begins in a block of frames.
constexpr uint64_t FRAME_ALIGNMENT = 256;
constexpr uint64_t alignedFrame(uint64_t bytes) {
  return (bytes + FRAME_ALIGNMENT - 1) / FRAME_ALIGNMENT * FRAME_ALIGNMENT;
}

class Uploader {
 public:
  // `flags`: bits of trtd_pipeline_flag.
  Uploader(const Lane& lane, int32_t flags);

  // Forgets what was added, and makes room for `bytes`. The stream must be idle. On failure the memory stays as it was.
  void begin(uint64_t bytes);
  // A frame, and where it goes.
  void add(const trtd_host_frame& frame, CudaAddress to);
  // Copies all frames and puts their transfers into the stream. On failure transfers may be in it.
  void run();

  // Room that the caller may write to while nothing is under way.
  unsigned char* room(uint64_t bytes);
  uint64_t bytes() const { return pinned_.bytes(); }

 private:
  const Lane& lane_;
  const bool shared_;
  const Stores stores_;
  HostBuffer pinned_;
  uint64_t used_ = 0;
  uint64_t total_ = 0;  // bytes of the pieces
  std::vector<Piece> pieces_;
  std::vector<CudaAddress> targets_;  // of the pieces
  std::shared_ptr<CopyJob> job_;
};

}  // namespace trtd
