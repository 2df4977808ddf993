// Copies memory in pieces, with the help of a few threads that the process keeps for it.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

namespace trtd {

struct Piece {
  unsigned char* to;
  const unsigned char* from;
  size_t bytes;
};

// How bytes are stored. `streaming` goes past the caches, so that a device that fetches them next asks no core for
// them; where a processor has no such stores it is `plain`.
enum class Stores { plain, streaming };

void copyBytes(const Piece& piece, Stores stores);

// Pieces that several threads copy; used again and again.
class CopyJob {
 public:
  // Nobody may be at it: it is new, or isFree() said so. The pieces must stay until all are copied, or stop() returned.
  void begin(const std::vector<Piece>& pieces, Stores stores);
  // Copies a piece that nobody has begun; false when there is none.
  bool copyNext();
  bool isCopied(size_t index) const { return copied_[index].load(std::memory_order_acquire); }
  // Nothing more is begun; returns when what was begun is copied.
  void stop();

 private:
  friend struct Helpers;
  const Piece* pieces_ = nullptr;
  size_t count_ = 0;
  Stores stores_ = Stores::plain;
  std::unique_ptr<std::atomic<bool>[]> copied_;
  size_t room_ = 0;
  std::atomic<size_t> next_{0};
  unsigned helpers_ = 0;  // threads that have it, under their lock
};

// Shows the job to the helping threads, and takes it away from those that have not begun.
void shareOut(const std::shared_ptr<CopyJob>& job);
void takeBack(const std::shared_ptr<CopyJob>& job) noexcept;
// Whether no helping thread has it; only after takeBack().
bool isFree(const CopyJob& job);
void giveWay();

// Calls `then(index)` for every piece in order, on this thread, as soon as it is copied.
template <class Then>
void copyPieces(const std::vector<Piece>& pieces, Stores stores, Then&& then) {
  for (size_t i = 0; i < pieces.size(); ++i) {
    copyBytes(pieces[i], stores);
    then(i);
  }
}

// The same with the help of other threads: faster with idle cores, slower on a busy machine, where a helper may be put to
// sleep in the middle of a piece. `job` is kept for the next time; what it needs is allocated when there are more pieces
// than before, or a helper still has it.
template <class Then>
void copyTogether(const std::vector<Piece>& pieces, Stores stores, std::shared_ptr<CopyJob>& job, Then&& then) {
  if (!job || !isFree(*job)) job = std::make_shared<CopyJob>();
  job->begin(pieces, stores);
  shareOut(job);
  try {
    for (size_t done = 0; done < pieces.size();) {
      if (job->isCopied(done)) then(done++);
      else if (!job->copyNext()) giveWay();
    }
  } catch (...) {
    job->stop();
    takeBack(job);
    throw;
  }
  takeBack(job);
}

}  // namespace trtd
