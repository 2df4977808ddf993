#include "copier.h"

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace trtd {
namespace {

// One core copies some 10 GB/s, a third of what a PCIe 5 slot takes; three helpers are enough to be no brake.
constexpr unsigned HELPERS_MAX = 3;

#if defined(__SSE2__)
constexpr size_t VECTOR = 16;
constexpr size_t LINE = 4 * VECTOR;

void stream(unsigned char* to, const unsigned char* from, size_t bytes) {
  // Streaming stores need an aligned place.
  const size_t ahead = std::min(bytes, (VECTOR - reinterpret_cast<uintptr_t>(to) % VECTOR) % VECTOR);
  std::memcpy(to, from, ahead);
  size_t at = ahead;
  for (; at + LINE <= bytes; at += LINE) {
    const auto* const source = reinterpret_cast<const __m128i*>(from + at);
    auto* const target = reinterpret_cast<__m128i*>(to + at);
    const __m128i a = _mm_loadu_si128(source), b = _mm_loadu_si128(source + 1);
    const __m128i c = _mm_loadu_si128(source + 2), d = _mm_loadu_si128(source + 3);
    _mm_stream_si128(target, a);
    _mm_stream_si128(target + 1, b);
    _mm_stream_si128(target + 2, c);
    _mm_stream_si128(target + 3, d);
  }
  std::memcpy(to + at, from + at, bytes - at);
  // They are not ordered with what tells others that the bytes are there.
  _mm_sfence();
}
#endif

}  // namespace

struct Helpers {
  std::mutex mutex;
  std::condition_variable wake;
  std::vector<std::shared_ptr<CopyJob>> jobs;
  unsigned count = 0;

  Helpers() {
    const unsigned wanted = std::min(HELPERS_MAX, std::thread::hardware_concurrency() / 2);
    try {
      for (; count < wanted; ++count) std::thread([this] { work(); }).detach();
    } catch (const std::system_error&) {
      // Copying goes on with those that there are.
    }
  }

  // The caller holds the lock.
  void drop(const CopyJob* job) {
    const auto found =
        std::find_if(jobs.begin(), jobs.end(), [&](const std::shared_ptr<CopyJob>& one) { return one.get() == job; });
    if (found != jobs.end()) jobs.erase(found);
  }

  void work() {
    std::unique_lock<std::mutex> lock(mutex);
    for (;;) {
      wake.wait(lock, [this] { return !jobs.empty(); });
      const std::shared_ptr<CopyJob> job = jobs.front();
      ++job->helpers_;
      lock.unlock();
      while (job->copyNext()) {
      }
      lock.lock();
      --job->helpers_;
      drop(job.get());
    }
  }

  bool isFree(const CopyJob& job) {
    const std::lock_guard<std::mutex> lock(mutex);
    return job.helpers_ == 0;
  }
};

namespace {

// Never destroyed: its threads wait in it until the process ends.
Helpers& helpers() {
  static Helpers* const instance = new Helpers;
  return *instance;
}

}  // namespace

void copyBytes(const Piece& piece, Stores stores) {
#if defined(__SSE2__)
  if (stores == Stores::streaming) {
    stream(piece.to, piece.from, piece.bytes);
    return;
  }
#else
  static_cast<void>(stores);
#endif
  std::memcpy(piece.to, piece.from, piece.bytes);
}

void CopyJob::begin(const std::vector<Piece>& pieces, Stores stores) {
  if (pieces.size() > room_) {
    copied_ = std::make_unique<std::atomic<bool>[]>(pieces.size());
    room_ = pieces.size();
  }
  for (size_t i = 0; i < pieces.size(); ++i) copied_[i].store(false, std::memory_order_relaxed);
  pieces_ = pieces.data();
  count_ = pieces.size();
  stores_ = stores;
  next_.store(0);
}

bool CopyJob::copyNext() {
  const size_t index = next_.fetch_add(1);
  if (index >= count_) return false;
  copyBytes(pieces_[index], stores_);
  copied_[index].store(true, std::memory_order_release);
  return true;
}

void CopyJob::stop() {
  const size_t begun = std::min(next_.exchange(count_), count_);
  for (size_t i = 0; i < begun; ++i) {
    while (!isCopied(i)) giveWay();
  }
}

void shareOut(const std::shared_ptr<CopyJob>& job) {
  Helpers& all = helpers();
  if (all.count == 0) return;
  {
    const std::lock_guard<std::mutex> lock(all.mutex);
    all.jobs.push_back(job);
  }
  all.wake.notify_all();
}

void takeBack(const std::shared_ptr<CopyJob>& job) noexcept {
  Helpers& all = helpers();
  const std::lock_guard<std::mutex> lock(all.mutex);
  all.drop(job.get());
}

bool isFree(const CopyJob& job) { return helpers().isFree(job); }

void giveWay() { std::this_thread::yield(); }

}  // namespace trtd
