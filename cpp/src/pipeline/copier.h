// Copies memory in pieces, with the help of a few threads that the process keeps for it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory>
#include <vector>

namespace trtd {

struct Piece {
  unsigned char* to;
  const unsigned char* from;
  size_t bytes;
};

class CopyJob {
 public:
  // The pieces must stay until all are copied, or stop() returned.
  explicit CopyJob(const std::vector<Piece>& pieces)
      : pieces_(pieces.data()), count_(pieces.size()), copied_(std::make_unique<std::atomic<bool>[]>(count_)) {}

  // Copies a piece that nobody has begun; false when there is none.
  bool copyNext();
  bool isCopied(size_t index) const { return copied_[index].load(std::memory_order_acquire); }
  // Nothing more is begun; returns when what was begun is copied.
  void stop();

 private:
  const Piece* const pieces_;
  const size_t count_;
  const std::unique_ptr<std::atomic<bool>[]> copied_;
  std::atomic<size_t> next_{0};
};

// Shows the job to the helping threads.
void shareOut(const std::shared_ptr<CopyJob>& job);
void giveWay();

// Pieces from which help is worth waking.
constexpr size_t SHARED_PIECES = 4;

// Calls `then(index)` for every piece in order, on this thread, as soon as it is copied. With `shared` other threads help
// where there is much to copy: faster with idle cores, slower on a busy machine, where a helper may be put to sleep in
// the middle of a piece.
template <class Then>
void copyPieces(const std::vector<Piece>& pieces, bool shared, Then&& then) {
  if (!shared || pieces.size() < SHARED_PIECES) {
    for (size_t i = 0; i < pieces.size(); ++i) {
      std::memcpy(pieces[i].to, pieces[i].from, pieces[i].bytes);
      then(i);
    }
    return;
  }
  const auto job = std::make_shared<CopyJob>(pieces);
  shareOut(job);
  try {
    for (size_t done = 0; done < pieces.size();) {
      if (job->isCopied(done)) then(done++);
      else if (!job->copyNext()) giveWay();
    }
  } catch (...) {
    job->stop();
    throw;
  }
}

}  // namespace trtd
