#include "upload.h"

#include <algorithm>

namespace trtd {
namespace {

// Bytes that a thread copies at a time.
constexpr uint64_t PIECE = uint64_t{128} << 10;
// Bytes of one transfer: each costs the device's copy engine some 15 us beside its bytes. One thread copies slower than
// the device fetches; with several the device is what is waited for, and larger transfers are better.
constexpr uint64_t TRANSFER = uint64_t{512} << 10;
constexpr uint64_t SHARED_TRANSFER = uint64_t{1} << 20;
// Bytes from which help is worth waking: one thread needs some 0.04 ms for them, waking another takes about as long.
constexpr uint64_t SHARED_MIN = uint64_t{512} << 10;

}  // namespace

Uploader::Uploader(const Lane& lane, int32_t flags)
    : lane_(lane),
      shared_((flags & TRTD_PIPELINE_SHARED_COPIES) != 0),
      stores_((flags & TRTD_PIPELINE_STREAMED_COPIES) != 0 ? Stores::streaming : Stores::plain),
      pinned_(lane) {}

void Uploader::begin(uint64_t bytes) {
  pieces_.clear();
  targets_.clear();
  used_ = total_ = 0;
  pinned_.reserve(bytes);
}

void Uploader::add(const trtd_host_frame& frame, CudaAddress to) {
  const uint8_t* const from = dataOf(frame);
  const uint64_t bytes = pixelBytes(frame);
  for (uint64_t at = 0; at < bytes; at += PIECE) {
    pieces_.push_back({pinned_.data() + used_ + at, from + at, std::min(PIECE, bytes - at)});
    targets_.push_back(to + at);
  }
  used_ += alignedFrame(bytes);
  total_ += bytes;
}

void Uploader::run() {
  const bool shared = shared_ && total_ > SHARED_MIN;
  size_t first = 0;
  uint64_t waiting = 0;
  const auto copied = [&](size_t i) {
    waiting += pieces_[i].bytes;
    const bool whole = i + 1 == pieces_.size() || targets_[i] + pieces_[i].bytes != targets_[i + 1] ||
                       pieces_[i].to + pieces_[i].bytes != pieces_[i + 1].to;
    if (!whole && waiting < (shared ? SHARED_TRANSFER : TRANSFER)) return;
    lane_.upload(targets_[first], pieces_[first].to, waiting);
    first = i + 1;
    waiting = 0;
  };
  if (shared) copyTogether(pieces_, stores_, job_, copied);
  else copyPieces(pieces_, stores_, copied);
}

unsigned char* Uploader::room(uint64_t bytes) {
  begin(bytes);
  return pinned_.data();
}

}  // namespace trtd
