// First kernel: a list of the candidates of each picture, in any order. Its last block cuts a list that is longer than
// what will be looked at down to the best, by radix selection over the keys.
#pragma once

#include "scores.h"

namespace trtd_kernels {

constexpr u32 DIGIT_BITS = 11;
constexpr u32 DIGITS = 1u << DIGIT_BITS;

struct FilterShared {
  u64 keys[FILTERED];
  u32 count;
  u32 base;
  u32 anchors[THREADS];
  u32 anchor_count;
  u32 last;
};

struct SelectShared {
  u32 histogram[DIGITS];
  u32 sums[THREADS];
  u64 prefix, mask;
  u32 missing;
  u32 exact;
  u32 taken;
};

DEVICE GLOBAL Counters* countersOf(const DetectParams& p, u32 image) { return at<Counters>(p.counters) + image; }
DEVICE GLOBAL u64* listOf(const DetectParams& p, u32 image) { return at<u64>(p.list) + static_cast<u64>(image) * LIST; }
DEVICE GLOBAL u64* bestOf(const DetectParams& p, u32 image) {
  return at<u64>(p.best) + static_cast<u64>(image) * p.ranked_max;
}

// Moves the block's keys to the picture's list.
DEVICE void flush(const DetectParams& p, u32 image, FilterShared& s) {
  BARRIER();
  if (s.count != 0) {
    EACH_THREAD(t) {
      if (t == 0) s.base = add(&countersOf(p, image)->found, s.count);
    }
    BARRIER();
    GLOBAL u64* const list = listOf(p, image);
    EACH_THREAD(t) {
      for (u32 i = t; i < s.count; i += THREADS) {
        const u64 slot = static_cast<u64>(s.base) + i;
        if (slot < LIST) list[slot] = s.keys[i];
      }
    }
    BARRIER();
    EACH_THREAD(t) {
      if (t == 0) s.count = 0;
    }
  }
  BARRIER();
}

DEVICE void keep(FilterShared& s, u64 key) { s.keys[add(&s.count, 1)] = key; }

// All values of a thread are on their way before the first is looked at.
DEVICE void filterDense(const DetectParams& p, const Question& q, u32 image, u32 from, FilterShared& s) {
  constexpr u32 PARTS = FILTERED / THREADS;
  const u64 base = denseBase(p, image);
  const Tensor tensor = denseTensor(p);
  EACH_THREAD(t) {
    float values[PARTS];
    const u64 first = base + from + t, last = base + p.elements - 1;
    if (tensor.element == F32) {
      const GLOBAL float* const data = at<const float>(tensor.data);
#pragma unroll
      for (u32 part = 0; part < PARTS; ++part) {
        const u64 place = first + part * THREADS;
        values[part] = data[place < last ? place : last];
      }
    } else {
      const GLOBAL u16* const data = at<const u16>(tensor.data);
      u16 halves[PARTS];
#pragma unroll
      for (u32 part = 0; part < PARTS; ++part) {
        const u64 place = first + part * THREADS;
        halves[part] = data[place < last ? place : last];
      }
#pragma unroll
      for (u32 part = 0; part < PARTS; ++part) values[part] = floatOfHalf(halves[part]);
    }
#pragma unroll
    for (u32 part = 0; part < PARTS; ++part) {
      if (!(values[part] >= q.floor)) continue;
      const u32 index = from + part * THREADS + t;
      u64 key = 0;
      if (index < p.elements && denseKey(p, q, image, index, values[part], key)) keep(s, key);
    }
  }
  flush(p, image, s);
}

DEVICE void filterGiven(const DetectParams& p, const Question& q, u32 image, u32 from, FilterShared& s) {
  EACH_THREAD(t) {
    for (u32 part = 0; part < FILTERED / THREADS; ++part) {
      const u32 index = from + part * THREADS + t;
      u64 key = 0;
      if (index < p.elements && givenKey(p, q, image, index, key)) keep(s, key);
    }
  }
  flush(p, image, s);
}

// Objectness first: most anchors end there, and their classes are never read.
DEVICE void filterObjects(const DetectParams& p, const Question& q, u32 image, u32 first, FilterShared& s) {
  EACH_THREAD(t) {
    if (t == 0) s.anchor_count = 0;
  }
  BARRIER();
  EACH_THREAD(t) {
    const u32 anchor = first + t;
    if (anchor >= p.anchors) continue;
    const u64 at_object = (static_cast<u64>(image) * p.rows + anchor) * p.columns + 4;
    if (real(p.tensors[0], at_object) >= q.score) s.anchors[add(&s.anchor_count, 1)] = anchor;
  }
  BARRIER();
  const u32 pairs = s.anchor_count * p.classes;
  for (u32 from = 0; from < pairs; from += FILTERED) {
    EACH_THREAD(t) {
      for (u32 part = 0; part < FILTERED / THREADS; ++part) {
        const u32 pair = from + part * THREADS + t;
        if (pair >= pairs) break;
        u64 key = 0;
        if (objectKey(p, q, image, s.anchors[pair / p.classes], pair % p.classes, key)) keep(s, key);
      }
    }
    flush(p, image, s);
  }
  BARRIER();
}

// The keys that selection looks at: the list, or every element again when the list overflowed.
DEVICE bool sourceKey(const DetectParams& p, const Question& q, u32 image, bool listed, u32 index, u64& key) {
  if (!listed) return candidateKey(p, q, image, index, key);
  key = listOf(p, image)[index];
  return true;
}

// Finds the digit that the key at place `missing` (from 1) has.
DEVICE void pickDigit(SelectShared& s, u32 shift, u32 bits) {
  EACH_THREAD(t) {
    u32 sum = 0;
    for (u32 i = 0; i < DIGITS / THREADS; ++i) sum += s.histogram[t * (DIGITS / THREADS) + i];
    s.sums[t] = sum;
  }
  BARRIER();
  EACH_THREAD(t) {
    if (t != 0) continue;
    u32 before = 0, part = 0;
    while (part + 1 < THREADS && before + s.sums[part] < s.missing) before += s.sums[part++];
    u32 digit = part * (DIGITS / THREADS);
    while (digit + 1 < DIGITS && before + s.histogram[digit] < s.missing) before += s.histogram[digit++];
    s.missing -= before;
    s.exact = s.histogram[digit] == s.missing ? 1 : 0;
    s.prefix |= static_cast<u64>(digit) << shift;
    s.mask |= ((1ull << bits) - 1) << shift;
  }
  BARRIER();
}

// Writes the `ranked_max` smallest keys to `best`.
DEVICE void select(const DetectParams& p, const Question& q, u32 image, u32 found, SelectShared& s) {
  const bool listed = found <= LIST;
  const u32 count = listed ? found : p.elements;
  EACH_THREAD(t) {
    if (t == 0) s.prefix = 0, s.mask = 0, s.missing = p.ranked_max, s.exact = 0, s.taken = 0;
  }
  BARRIER();
  for (u32 high = 64; high > 0 && s.exact == 0;) {
    const u32 bits = high < DIGIT_BITS ? high : DIGIT_BITS, shift = high - bits;
    EACH_THREAD(t) {
      for (u32 i = t; i < DIGITS; i += THREADS) s.histogram[i] = 0;
    }
    BARRIER();
    EACH_THREAD(t) {
      for (u32 i = t; i < count; i += THREADS) {
        u64 key = 0;
        if (!sourceKey(p, q, image, listed, i, key) || (key & s.mask) != s.prefix) continue;
        add(&s.histogram[static_cast<u32>(key >> shift) & ((1u << bits) - 1)], 1);
      }
    }
    BARRIER();
    pickDigit(s, shift, bits);
    high = shift;
  }
  GLOBAL u64* const best = bestOf(p, image);
  EACH_THREAD(t) {
    for (u32 i = t; i < count; i += THREADS) {
      u64 key = 0;
      if (sourceKey(p, q, image, listed, i, key) && (key & s.mask) <= s.prefix) best[add(&s.taken, 1)] = key;
    }
  }
}

}  // namespace trtd_kernels

// Grid: parts of a picture, pictures.
KERNEL void trtd_filter(const trtd_kernels::DetectParams p) {
  using namespace trtd_kernels;
  SHARED(FilterShared, s);
  SHARED(SelectShared, selection);
  const u32 image = blockY();
  const Question q = read(at<Question>(p.questions) + image);
  EACH_THREAD(t) {
    if (t == 0) s.count = 0;
  }
  BARRIER();
  const u32 step = blocksX();
  if (isDense(p)) {
    for (u32 i = blockX(); i * FILTERED < p.elements; i += step) filterDense(p, q, image, i * FILTERED, s);
  } else if (p.layout == OBJECTNESS || p.layout == OBJECTNESS_GRID) {
    for (u32 i = blockX(); i * THREADS < p.anchors; i += step) filterObjects(p, q, image, i * THREADS, s);
  } else {
    for (u32 i = blockX(); i * FILTERED < p.elements; i += step) filterGiven(p, q, image, i * FILTERED, s);
  }

  fence();
  BARRIER();
  EACH_THREAD(t) {
    if (t == 0) s.last = add(&countersOf(p, image)->blocks, 1) + 1 == blocksX() ? 1 : 0;
  }
  BARRIER();
  if (s.last == 0) return;
  fence();
  EACH_THREAD(t) {
    if (t == 0) s.base = add(&countersOf(p, image)->found, 0);
  }
  BARRIER();
  if (s.base > p.ranked_max) select(p, q, image, s.base, selection);
}
