// Third and fourth kernel: EfficientNMS_TRT's greedy suppression (facts in src/detect/nms.ts). The third fills a
// triangular matrix of bits, row j: which earlier candidates would drop candidate j. The fourth runs down the rows,
// TILE at a time, and writes what is kept.
#pragma once

#include "rank.h"

namespace trtd_kernels {

struct Corners {
  float x1, y1, x2, y2, area;
  i32 group;
};

// Threads that share a row of a tile.
constexpr u32 SHARERS = THREADS / TILE;

struct OverlapShared {
  Corners later[TILE];
  Corners earlier[TILE];
};

// Rows of tile `c` have c + 1 words each.
DEVICE u64 wordOf(const DetectParams& p, u32 image, u32 tile, u32 row) {
  const u64 words = tile + 1;
  return image * p.overlap_words + TILE * (tile * words / 2) + row * words;
}

DEVICE Corners cornersOf(const Found& found, bool agnostic) {
  Corners c = {found.x1, found.y1, found.x2, found.y2, 0, agnostic ? 0 : found.label};
  order(c.y1, c.y2);
  order(c.x1, c.x2);
  const float h = c.y2 - c.y1, w = c.x2 - c.x1;
  c.area = h <= 0 || w <= 0 ? 0 : h * w;
  return c;
}

// Whether a kept box drops a later one. The order of the two matters where a corner is NaN.
DEVICE bool drops(const Corners& kept, const Corners& later, float threshold) {
  if (kept.group != later.group) return false;
  const float h = (later.y2 < kept.y2 ? later.y2 : kept.y2) - (later.y1 > kept.y1 ? later.y1 : kept.y1);
  const float w = (later.x2 < kept.x2 ? later.x2 : kept.x2) - (later.x1 > kept.x1 ? later.x1 : kept.x1);
  float iou = 0;
  if (!(h <= 0 || w <= 0)) {
    const float common = h * w;
    if (!(common <= 0)) {
      const float all = later.area + kept.area - common;
      if (!(all <= 0)) iou = common / all;
    }
  }
  return iou >= threshold;
}

struct KeepShared {
  u32 hits[THREADS / WARP];
  u32 news[THREADS / WARP];
  u32 losses[THREADS / WARP];
  u32 shown[THREADS / WARP];
  u64 kept[5000 / TILE + 1];
};

DEVICE u64 joined(const u32* words) { return static_cast<u64>(words[1]) << 32 | words[0]; }

// What a thread of the last kernel knows of its row; the first TILE threads have one.
struct Row {
  u64 rivals;  // rows of the same tile that would drop it
  u32 visible;
  u32 open, kept, dropped;
};

// Loads the rows of one tile, and finds those that kept boxes of earlier tiles drop, as groups of bits in `hits`:
// SHARERS threads for a row.
DEVICE void findHits(const DetectParams& p, u32 image, u32 tile, u32 rows, PerThread<Row>& own, KeepShared& s) {
  PerThread<u32> votes;
  const GLOBAL u64* const overlaps = at<const u64>(p.overlaps);
  EACH_THREAD(t) {
    const bool mine = t < rows;
    own[t].rivals = mine && p.suppress != 0 ? overlaps[wordOf(p, image, tile, t) + tile] : 0;
    own[t].visible = mine ? at<const u8>(p.visible)[static_cast<u64>(image) * p.ranked_max + tile * TILE + t] : 0;
    own[t].open = mine ? 1 : 0;
    own[t].kept = 0;
    own[t].dropped = 0;
    const u32 row = t / SHARERS;
    u64 hits = 0;
    if (row < rows && p.suppress != 0) {
      const GLOBAL u64* const words = overlaps + wordOf(p, image, tile, row);
      // Many loads at once, without branches: a place behind the last reads the first and counts for nothing.
      constexpr u32 LOADS = 10;
      for (u32 from = t % SHARERS; from < tile; from += LOADS * SHARERS) {
        u64 loaded[LOADS];
#pragma unroll
        for (u32 load = 0; load < LOADS; ++load) {
          const u32 i = from + load * SHARERS;
          loaded[load] = words[i < tile ? i : 0];
        }
#pragma unroll
        for (u32 load = 0; load < LOADS; ++load) {
          const u32 i = from + load * SHARERS;
          const u64 counts = 0 - static_cast<u64>(i < tile);
          hits |= loaded[load] & s.kept[i < tile ? i : 0] & counts;
        }
      }
    }
    votes[t] = hits != 0 ? 1 : 0;
  }
  ballot(votes, s.hits);
  BARRIER();
}

// Decides the rows of one tile among themselves: a row is kept once all that would drop it are dropped. Answers the
// kept ones.
DEVICE u64 settle(u32 rows, PerThread<Row>& own, KeepShared& s) {
  PerThread<u32> kept, dropped;
  EACH_THREAD(t) {
    constexpr u32 ROWS_OF_WORD = WARP / SHARERS;
    if (t < rows && (s.hits[t / ROWS_OF_WORD] >> (t % ROWS_OF_WORD * SHARERS) & ((1u << SHARERS) - 1)) != 0) {
      own[t].open = 0;
      own[t].dropped = 1;
    }
  }
  const u64 all = rows == TILE ? ~0ull : (1ull << rows) - 1;
  u64 won = 0;
  for (u32 round = 0; round <= TILE; ++round) {
    EACH_THREAD(t) {
      kept[t] = own[t].kept;
      dropped[t] = own[t].dropped;
    }
    ballot(kept, s.news);
    ballot(dropped, s.losses);
    BARRIER();
    won = joined(s.news);
    const u64 lost = joined(s.losses);
    if ((won | lost) == all) break;
    EACH_THREAD(t) {
      if (own[t].open == 0) continue;
      if ((own[t].rivals & won) != 0) own[t].open = 0, own[t].dropped = 1;
      else if ((own[t].rivals & ~lost) == 0) own[t].open = 0, own[t].kept = 1;
    }
    BARRIER();
  }
  return won;
}

}  // namespace trtd_kernels

// Grid: any number of blocks that share the tiles, pictures.
KERNEL void trtd_overlap(const trtd_kernels::DetectParams p) {
  using namespace trtd_kernels;
  SHARED(OverlapShared, s);
  const u32 image = blockY();
  const u32 n = candidatesOf(p, image), bands = (n + TILE - 1) / TILE, tiles = bands * (bands + 1) / 2;
  GLOBAL Found* const boxes = at<Found>(p.boxes) + static_cast<u64>(image) * p.ranked_max;
  const Question q = read(at<Question>(p.questions) + image);
  for (u32 tile = blockX(); tile < tiles; tile += blocksX()) {
    u32 down = static_cast<u32>(__builtin_sqrtf(2.0f * static_cast<float>(tile)));
    while (down * (down + 1) / 2 > tile) --down;
    while ((down + 1) * (down + 2) / 2 <= tile) ++down;
    const u32 across = tile - down * (down + 1) / 2;
    BARRIER();
    EACH_THREAD(t) {
      if (t >= 2 * TILE) continue;
      const u32 candidate = (t < TILE ? down : across) * TILE + t % TILE;
      if (candidate >= n) continue;
      const Corners corners = cornersOf(read(boxes + candidate), q.agnostic != 0);
      if (t < TILE) s.later[t] = corners;
      else s.earlier[t - TILE] = corners;
    }
    BARRIER();
    EACH_THREAD(t) {
      const u32 row = t % TILE, part = t / TILE, later = down * TILE + row;
      if (later >= n) continue;
      const Corners own = s.later[row];
      u32 bits = 0;
      for (u32 i = 0; i < TILE / SHARERS; ++i) {
        const u32 place = part * (TILE / SHARERS) + i;
        if (across * TILE + place < later && drops(s.earlier[place], own, q.iou)) bits |= 1u << i;
      }
      at<u16>(p.overlaps)[4 * (wordOf(p, image, down, row) + across) + part] = static_cast<u16>(bits);
    }
  }
}

// Grid: 1, pictures.
KERNEL void trtd_keep(const trtd_kernels::DetectParams p) {
  using namespace trtd_kernels;
  SHARED(KeepShared, s);
  const u32 image = blockY();
  const u32 n = candidatesOf(p, image);
  const Question q = read(at<Question>(p.questions) + image);
  const u32 most = q.max < p.results_max ? q.max : p.results_max;
  const u64 result = p.results + image * (sizeof(ResultHead) + static_cast<u64>(p.results_max) * sizeof(Found));
  GLOBAL Found* const out = at<Found>(result + sizeof(ResultHead));
  u32 count = 0;
  for (u32 tile = 0; tile * TILE < n && count < most; ++tile) {
    const u32 rows = n - tile * TILE < TILE ? n - tile * TILE : TILE;
    PerThread<Row> own;
    findHits(p, image, tile, rows, own, s);
    const u64 kept = p.suppress != 0 ? settle(rows, own, s) : ~0ull;
    PerThread<u32> shown;
    EACH_THREAD(t) { shown[t] = t < rows && (kept >> t & 1u) != 0 && own[t].visible != 0 ? 1 : 0; }
    ballot(shown, s.shown);
    EACH_THREAD(t) {
      if (t == 0) s.kept[tile] = kept;
    }
    BARRIER();
    const u64 slot = static_cast<u64>(image) * p.ranked_max + tile * TILE;
    const u64 visible = joined(s.shown);
    EACH_THREAD(t) {
      if (shown[t] == 0) continue;
      const u32 place = count + static_cast<u32>(__builtin_popcountll(visible & ((1ull << t) - 1)));
      if (place < most) write(out + place, read(at<Found>(p.boxes) + slot + t));
    }
    count += static_cast<u32>(__builtin_popcountll(visible));
    BARRIER();
  }
  EACH_THREAD(t) {
    if (t != 0) continue;
    GLOBAL ResultHead* const head = at<ResultHead>(result);
    head->count = count < most ? count : most;
    head->found = countersOf(p, image)->found;
  }
}
