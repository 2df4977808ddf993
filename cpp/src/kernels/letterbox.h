// Frames of any size to the model's input: OpenCV's 8-bit INTER_LINEAR (11-bit weights, horizontal pass to 19 bits,
// vertical pass with two shifts), padding 114, 0..1 or 0..255. Equal bit for bit to src/detect/letterbox.
#pragma once

#include "device.h"

namespace trtd_kernels {

constexpr float WEIGHT_ONE = 2048;
constexpr i32 PADDING = 114;

// Source indices and weights (0..2048) of one column or row of the input.
struct Tap {
  i32 lower, upper;
  i32 weight_lower, weight_upper;
};

DEVICE i32 within(i32 value, i32 most) { return value < 0 ? 0 : value > most ? most : value; }

// `collapse`: at the border weights collapse (as OpenCV does on rows), not only indices.
DEVICE Tap tapOf(i32 i, double step, i32 source, bool collapse) {
  const float position = static_cast<float>((i + 0.5) * step - 0.5);
  i32 lower = static_cast<i32>(__builtin_floorf(position));
  float fraction = position - static_cast<float>(lower);
  if (collapse && lower < 0) lower = 0, fraction = 0;
  if (collapse && lower >= source - 1) lower = source - 1, fraction = 0;
  Tap tap;
  tap.lower = within(lower, source - 1);
  tap.upper = within(lower + 1, source - 1);
  tap.weight_lower = static_cast<i32>(__builtin_rintf((1.0f - fraction) * WEIGHT_ONE));
  tap.weight_upper = static_cast<i32>(__builtin_rintf(fraction * WEIGHT_ONE));
  return tap;
}

struct Axes {
  Tap columns[TILE_COLUMNS];
  Tap rows[TILE_ROWS];
};

DEVICE i32 stretched(const GLOBAL u8* row, const Tap& tap, i32 color) {
  return (row[3 * tap.lower + color] * tap.weight_lower + row[3 * tap.upper + color] * tap.weight_upper) >> 4;
}

DEVICE i32 blended(const GLOBAL u8* upper, const GLOBAL u8* lower, const Tap& column, const Tap& row, i32 color) {
  const i32 first = (stretched(upper, column, color) * row.weight_lower) >> 16;
  const i32 second = (stretched(lower, column, color) * row.weight_upper) >> 16;
  return within((first + second + 2) >> 2, 255);
}

// OpenCV takes the mean of 2x2 pixels where both sides are exactly halved.
DEVICE i32 halved(const GLOBAL u8* upper, const GLOBAL u8* lower, i32 x, i32 color) {
  const i32 at = 6 * x + color;
  return (upper[at] + upper[at + 3] + lower[at] + lower[at + 3] + 2) >> 2;
}

// Byte / 255, correctly rounded: the first part has 16 bits, so its product with a byte is exact.
DEVICE float valueOf(i32 byte, i32 unit) {
  const float value = static_cast<float>(byte);
  return unit != 0 ? value * 0x1.01p-8f + value * 0x1.010102p-24f : value;
}

DEVICE void put(const LetterboxParams& p, u64 index, i32 byte) {
  const float value = valueOf(byte, p.unit);
  if (p.half != 0) at<u16>(p.out)[index] = halfOf(value);
  else at<float>(p.out)[index] = value;
}

}  // namespace trtd_kernels

// Grid: tiles across, tiles down, pictures.
KERNEL void trtd_letterbox(const trtd_kernels::LetterboxParams p) {
  using namespace trtd_kernels;
  SHARED(Axes, axes);
  const Frame f = read(at<Frame>(p.frames) + blockZ());
  const i32 from_x = static_cast<i32>(blockX() * TILE_COLUMNS), from_y = static_cast<i32>(blockY() * TILE_ROWS);
  const bool halves = f.source_width == 2 * f.width && f.source_height == 2 * f.height;
  EACH_THREAD(t) {
    if (t < TILE_COLUMNS) {
      axes.columns[t] = tapOf(from_x + static_cast<i32>(t) - f.left, f.step_x, f.source_width, true);
    } else if (t < TILE_COLUMNS + TILE_ROWS) {
      const i32 y = static_cast<i32>(t - TILE_COLUMNS);
      axes.rows[y] = tapOf(from_y + y - f.top, f.step_y, f.source_height, false);
    }
  }
  BARRIER();
  const u64 plane = static_cast<u64>(p.width) * static_cast<u64>(p.height);
  const u64 picture = 3 * plane * blockZ();
  const u64 stride = 3 * static_cast<u64>(f.source_width);
  const GLOBAL u8* const pixels = at<const u8>(f.pixels);
  EACH_THREAD(t) {
    const i32 row = static_cast<i32>(t / WARP), y = from_y + row;
    if (y >= p.height) continue;
    const bool row_inside = y >= f.top && y < f.top + f.height;
    const Tap down = axes.rows[row];
    const u64 first = static_cast<u64>(halves ? 2 * (y - f.top) : down.lower);
    const u64 second = static_cast<u64>(halves ? 2 * (y - f.top) + 1 : down.upper);
    for (u32 part = 0; part < TILE_COLUMNS / WARP; ++part) {
      const i32 column = static_cast<i32>(part * WARP + t % WARP), x = from_x + column;
      if (x >= p.width) continue;
      const bool inside = row_inside && x >= f.left && x < f.left + f.width;
      for (i32 color = 0; color < 3; ++color) {
        i32 byte = PADDING;
        if (inside) {
          const GLOBAL u8* const upper = pixels + first * stride;
          const GLOBAL u8* const lower = pixels + second * stride;
          byte = halves ? halved(upper, lower, x - f.left, color)
                        : blended(upper, lower, axes.columns[column], down, color);
        }
        const u64 place = static_cast<u64>(p.bgr != 0 ? 2 - color : color);
        put(p, picture + place * plane + static_cast<u64>(y) * static_cast<u64>(p.width) + static_cast<u64>(x), byte);
      }
    }
  }
}
