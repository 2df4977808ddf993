// Second kernel: each candidate's place is the number of smaller keys; its box is written there.
#pragma once

#include "filter.h"

namespace trtd_kernels {

// Threads that share the counting for one candidate.
constexpr u32 COUNTERS = THREADS / RANKED;
constexpr u32 KEYS = 1024;

struct RankShared {
  u64 keys[KEYS];
  u32 counts[THREADS];
};

DEVICE u32 candidatesOf(const DetectParams& p, u32 image) {
  const u32 found = countersOf(p, image)->found;
  return found < p.ranked_max ? found : p.ranked_max;
}

}  // namespace trtd_kernels

// Grid: groups of RANKED candidates, pictures.
KERNEL void trtd_rank(const trtd_kernels::DetectParams p) {
  using namespace trtd_kernels;
  SHARED(RankShared, s);
  const u32 image = blockY();
  const u32 n = candidatesOf(p, image), from = blockX() * RANKED;
  if (from >= n) return;
  const GLOBAL u64* const keys = countersOf(p, image)->found > p.ranked_max ? bestOf(p, image) : listOf(p, image);
  PerThread<u64> own;
  PerThread<u32> smaller;
  EACH_THREAD(t) {
    const u32 candidate = from + t % RANKED;
    own[t] = candidate < n ? keys[candidate] : 0;
    smaller[t] = 0;
  }
  for (u32 begin = 0; begin < n; begin += KEYS) {
    const u32 count = n - begin < KEYS ? n - begin : KEYS;
    BARRIER();
    EACH_THREAD(t) {
      for (u32 i = t; i < count; i += THREADS) s.keys[i] = keys[begin + i];
    }
    BARRIER();
    EACH_THREAD(t) {
      const u64 key = own[t];
      u32 sum = 0;
      for (u32 i = t / RANKED; i < count; i += COUNTERS) sum += s.keys[i] < key ? 1 : 0;
      smaller[t] += sum;
    }
  }
  EACH_THREAD(t) { s.counts[t] = smaller[t]; }
  BARRIER();
  const Question q = read(at<Question>(p.questions) + image);
  EACH_THREAD(t) {
    if (t >= RANKED || from + t >= n) continue;
    u32 rank = 0;
    for (u32 i = 0; i < COUNTERS; ++i) rank += s.counts[i * RANKED + t];
    const Found found = foundOf(p, image, own[t]);
    const u64 slot = static_cast<u64>(image) * p.ranked_max + rank;
    write(at<Found>(p.boxes) + slot, found);
    at<u8>(p.visible)[slot] = isVisible(q, found) ? 1 : 0;
  }
}
