// From output tensors to candidates: the same numbers as src/detect/heads/head_decoders.ts. A candidate is a key of 64
// bits: its score so that the highest sorts first, then its element, `anchor * classes + class` or the row.
#pragma once

#include "device.h"

namespace trtd_kernels {

// JavaScript works in f64 and rounds when a value is stored; so do these where that is not the same as f32.
DEVICE double number(const Tensor& tensor, u64 index) {
  switch (tensor.element) {
    case F32: return at<const float>(tensor.data)[index];
    case F16: return floatOfHalf(at<const u16>(tensor.data)[index]);
    case I32: return at<const i32>(tensor.data)[index];
    default: return static_cast<double>(at<const i64>(tensor.data)[index]);
  }
}

DEVICE float real(const Tensor& tensor, u64 index) {
  return tensor.element == F32 ? at<const float>(tensor.data)[index] : floatOfHalf(at<const u16>(tensor.data)[index]);
}

// e^x to about one unit in the last place: x is k ln 2 and a rest of at most 0.35, whose Taylor series ends after x^13.
DEVICE double exponential(double x) {
  if (x != x) return x;
  if (x > 709.8) return doubleOf(0x7ff0000000000000ull);
  if (x < -746.0) return 0;
  constexpr double LN2_HIGH = 0x1.62e42feep-1, LN2_LOW = 0x1.a39ef35793c76p-33;
  const double k = __builtin_rint(x * 0x1.71547652b82fep+0);
  const double r = (x - k * LN2_HIGH) - k * LN2_LOW;
  double sum = 1.0 / 6227020800.0;
  sum = sum * r + 1.0 / 479001600.0;
  sum = sum * r + 1.0 / 39916800.0;
  sum = sum * r + 1.0 / 3628800.0;
  sum = sum * r + 1.0 / 362880.0;
  sum = sum * r + 1.0 / 40320.0;
  sum = sum * r + 1.0 / 5040.0;
  sum = sum * r + 1.0 / 720.0;
  sum = sum * r + 1.0 / 120.0;
  sum = sum * r + 1.0 / 24.0;
  sum = sum * r + 1.0 / 6.0;
  sum = sum * r + 0.5;
  const double power = 1.0 + (r + r * r * sum);
  // 2^k in two factors, so that neither leaves the range of normal numbers.
  const i32 whole = static_cast<i32>(k), half = whole / 2;
  const double first = doubleOf(static_cast<u64>(1023 + half) << 52);
  const double second = doubleOf(static_cast<u64>(1023 + whole - half) << 52);
  return power * first * second;
}

DEVICE float sigmoid(float x) { return static_cast<float>(1.0 / (1.0 + exponential(-static_cast<double>(x)))); }

// Ascends where the score falls; 0 and -0 are the same score.
DEVICE u32 orderOf(float score) {
  const u32 bits = score == 0 ? 0 : bitsOf(score);
  return bits >> 31 != 0 ? bits : 0x7fffffffu - bits;
}

DEVICE float scoreOf(u32 order) { return floatOf(order >> 31 != 0 ? order : 0x7fffffffu - order); }

DEVICE u64 keyOf(float score, u32 element) { return static_cast<u64>(orderOf(score)) << 32 | element; }

// `beyond`: the answer for a class that `wanted` does not tell of.
DEVICE bool isWanted(const DetectParams& p, const Question& q, u32 image, double label, bool beyond) {
  if (q.chosen == 0) return true;
  if (!(label < p.wanted_count)) return beyond;
  const u32 bit = static_cast<u32>(label);
  const u64 word = static_cast<u64>(image) * p.wanted_words + bit / 32;
  return (at<const u32>(p.wanted)[word] >> bit % 32 & 1u) != 0;
}

DEVICE bool scoredKey(const DetectParams& p, const Question& q, u32 image, u32 anchor, u32 label, float score,
                      u64& key) {
  if (!(score >= q.score) || label == p.background || !isWanted(p, q, image, label, true)) return false;
  key = keyOf(score, anchor * p.classes + label);
  return true;
}

// Heads whose rows are results: the class is in the tensor.
DEVICE double givenLabel(const DetectParams& p, u32 image, u32 row) {
  switch (p.layout) {
    case END_TO_END: return number(p.tensors[0], (static_cast<u64>(image) * p.rows + row) * p.columns + 5);
    case LABELS_BOXES_SCORES: return number(p.tensors[0], static_cast<u64>(image) * p.anchors + row);
    default: return number(p.tensors[3], static_cast<u64>(image) * p.anchors + row);
  }
}

DEVICE bool givenKey(const DetectParams& p, const Question& q, u32 image, u32 row, u64& key) {
  if (p.layout == COUNT_BOXES_SCORES_LABELS && !(row < number(p.tensors[0], image))) return false;
  const float score = p.layout == END_TO_END
                          ? real(p.tensors[0], (static_cast<u64>(image) * p.rows + row) * p.columns + 4)
                          : real(p.tensors[2], static_cast<u64>(image) * p.anchors + row);
  if (!(score >= q.score)) return false;
  const double label = givenLabel(p, image, row);
  if (!(label >= 0) || label > 0x1p1000 || label != __builtin_floor(label)) return false;
  if (!isWanted(p, q, image, label, false)) return false;
  key = keyOf(score, row);
  return true;
}

// Heads whose scores are one block of the tensor for each picture, and where it begins.
DEVICE bool isDense(const DetectParams& p) {
  return p.layout == CHANNELS_FIRST || p.layout == ANCHORS_FIRST || p.layout == BOXES_SCORES ||
         p.layout == LOGITS_BOXES;
}

DEVICE const Tensor& denseTensor(const DetectParams& p) { return p.tensors[p.layout == BOXES_SCORES ? 1 : 0]; }

DEVICE u64 denseBase(const DetectParams& p, u32 image) {
  const u64 rows = p.layout == CHANNELS_FIRST ? 4 : 0;
  return (static_cast<u64>(image) * p.rows + rows) * p.columns;
}

// The candidate at place `index` of that block, whose value is at least the floor.
DEVICE bool denseKey(const DetectParams& p, const Question& q, u32 image, u32 index, float value, u64& key) {
  const u32 major = index / p.columns, minor = index % p.columns;
  if (p.layout == CHANNELS_FIRST) return scoredKey(p, q, image, minor, major, value, key);
  const u32 skipped = p.layout == ANCHORS_FIRST ? 4 : 0;
  if (minor < skipped || minor >= skipped + p.classes) return false;
  return scoredKey(p, q, image, major, minor - skipped, p.layout == LOGITS_BOXES ? sigmoid(value) : value, key);
}

DEVICE bool objectKey(const DetectParams& p, const Question& q, u32 image, u32 anchor, u32 label, u64& key) {
  const u64 from = (static_cast<u64>(image) * p.rows + anchor) * p.columns;
  const float object = real(p.tensors[0], from + 4);
  if (!(object >= q.score)) return false;
  return scoredKey(p, q, image, anchor, label, object * real(p.tensors[0], from + 5 + label), key);
}

// Whether element `index` of one picture (0..elements) is a candidate, and its key.
DEVICE bool candidateKey(const DetectParams& p, const Question& q, u32 image, u32 index, u64& key) {
  if (isDense(p)) {
    const float value = real(denseTensor(p), denseBase(p, image) + index);
    return value >= q.floor && denseKey(p, q, image, index, value, key);
  }
  if (p.layout == OBJECTNESS || p.layout == OBJECTNESS_GRID) {
    return objectKey(p, q, image, index / p.classes, index % p.classes, key);
  }
  return givenKey(p, q, image, index, key);
}

// Cell of an anchor, as YOLOX runs over strides, rows and columns.
DEVICE void cellOf(const DetectParams& p, u32 anchor, double& x, double& y, double& stride) {
  u32 rest = anchor;
  for (u32 i = 0; i < p.stride_count; ++i) {
    const u32 size = p.strides[i];
    const u32 across = (static_cast<u32>(p.width) + size - 1) / size;
    const u32 down = (static_cast<u32>(p.height) + size - 1) / size;
    if (rest < across * down || i + 1 == p.stride_count) {
      x = rest % across, y = rest / across, stride = size;
      return;
    }
    rest -= across * down;
  }
}

DEVICE void centered(Found& into, double x, double y, double w, double h) {
  into.x1 = static_cast<float>(x - 0.5 * w);
  into.y1 = static_cast<float>(y - 0.5 * h);
  into.x2 = static_cast<float>(x + 0.5 * w);
  into.y2 = static_cast<float>(y + 0.5 * h);
}

DEVICE void corners(Found& into, const Tensor& tensor, u64 from) {
  into.x1 = real(tensor, from);
  into.y1 = real(tensor, from + 1);
  into.x2 = real(tensor, from + 2);
  into.y2 = real(tensor, from + 3);
}

// The plugin swaps by subtracting and adding in f32; the rounding is part of the result.
DEVICE void order(float& low, float& high) {
  if (!(low > high)) return;
  const float difference = low - high;
  high = difference + high;
  low = high - difference;
}

DEVICE float rounded(double value) { return static_cast<float>(value); }

// EfficientNMS_TRT's decoder: offsets from an anchor.
DEVICE void anchored(Found& into, const Found& anchor, bool center_size) {
  Found a = anchor;
  if (center_size) {
    const float x = into.x1 * a.x2 + a.x1, y = into.y1 * a.y2 + a.y1;
    const float w = a.x2 * rounded(exponential(into.x2)), h = a.y2 * rounded(exponential(into.y2));
    centered(into, x, y, w, h);
    return;
  }
  order(into.x1, into.x2);
  order(into.y1, into.y2);
  order(a.x1, a.x2);
  order(a.y1, a.y2);
  into.x1 += a.x1;
  into.y1 += a.y1;
  into.x2 += a.x2;
  into.y2 += a.y2;
}

DEVICE void pluginBox(const DetectParams& p, Found& into, u32 image, u32 element, u32 anchor) {
  const u64 box = p.box_of_class != 0 ? static_cast<u64>(image) * p.anchors * p.classes + element
                                      : static_cast<u64>(image) * p.anchors + anchor;
  corners(into, p.tensors[0], 4 * box);
  if (p.anchor_sets != 0) {
    Found from;
    corners(from, p.tensors[2], 4 * ((p.anchor_sets == 2 ? static_cast<u64>(image) * p.anchors : 0) + anchor));
    anchored(into, from, p.center_size != 0);
  } else if (p.center_size != 0) {
    centered(into, into.x1, into.y1, into.x2, into.y2);
  }
}

// An integer as JavaScript's Int32Array stores it: its low 32 bits. A float beyond 2^63 has none.
DEVICE i32 low32(double label) {
  return label < 0x1p63 ? static_cast<i32>(static_cast<u32>(static_cast<u64>(label))) : 0;
}

DEVICE Found foundOf(const DetectParams& p, u32 image, u64 key) {
  const u32 element = static_cast<u32>(key);
  Found found;
  found.score = scoreOf(static_cast<u32>(key >> 32));
  const bool given = p.layout == END_TO_END || p.layout == LABELS_BOXES_SCORES || p.layout == COUNT_BOXES_SCORES_LABELS;
  const u32 anchor = given ? element : element / p.classes;
  found.label = given ? low32(givenLabel(p, image, element)) : static_cast<i32>(element % p.classes);
  const Tensor& first = p.tensors[0];
  switch (p.layout) {
    case CHANNELS_FIRST: {
      const u64 x = static_cast<u64>(image) * p.rows * p.columns + anchor;
      const u64 y = x + p.columns, w = y + p.columns, h = w + p.columns;
      centered(found, real(first, x), real(first, y), real(first, w), real(first, h));
      break;
    }
    case ANCHORS_FIRST:
    case OBJECTNESS: {
      const u64 from = (static_cast<u64>(image) * p.rows + anchor) * p.columns;
      centered(found, real(first, from) * p.unit_x, real(first, from + 1) * p.unit_y, real(first, from + 2) * p.unit_x,
               real(first, from + 3) * p.unit_y);
      break;
    }
    case OBJECTNESS_GRID: {
      const u64 from = (static_cast<u64>(image) * p.rows + anchor) * p.columns;
      double x = 0, y = 0, stride = 0;
      cellOf(p, anchor, x, y, stride);
      centered(found, (real(first, from) + x) * stride, (real(first, from + 1) + y) * stride,
               exponential(real(first, from + 2)) * stride, exponential(real(first, from + 3)) * stride);
      break;
    }
    case LOGITS_BOXES: {
      const u64 from = 4 * (static_cast<u64>(image) * p.anchors + anchor);
      const Tensor& boxes = p.tensors[1];
      centered(found, real(boxes, from) * p.unit_x, real(boxes, from + 1) * p.unit_y, real(boxes, from + 2) * p.unit_x,
               real(boxes, from + 3) * p.unit_y);
      break;
    }
    case END_TO_END: {
      corners(found, first, (static_cast<u64>(image) * p.rows + anchor) * p.columns);
      const double x = found.x1 * p.unit_x, y = found.y1 * p.unit_y;
      const double right = found.x2 * p.unit_x, bottom = found.y2 * p.unit_y;
      if (p.center_size != 0) centered(found, x, y, right, bottom);
      else found.x1 = rounded(x), found.y1 = rounded(y), found.x2 = rounded(right), found.y2 = rounded(bottom);
      break;
    }
    case BOXES_SCORES: pluginBox(p, found, image, element, anchor); break;
    default: corners(found, p.tensors[1], 4 * (static_cast<u64>(image) * p.anchors + anchor)); break;
  }
  return found;
}

DEVICE double clipped(double value, double most) {
  if (value != value) return value;
  const double positive = value > 0 ? value : 0;
  return positive < most ? positive : most;
}

// Whether something of a side lies on the picture; false for NaN.
DEVICE bool onSide(float first, float second, double offset, double scale, double size) {
  const double a = (first - offset) / scale, b = (second - offset) / scale;
  if (a != a || b != b) return false;
  return clipped(a < b ? b : a, size) > clipped(a < b ? a : b, size);
}

// Whether boxOnPicture of src/detect/letterbox would give a box.
DEVICE bool isVisible(const Question& q, const Found& found) {
  return q.placed == 0 || (onSide(found.x1, found.x2, q.left, q.scale_x, q.source_width) &&
                           onSide(found.y1, found.y2, q.top, q.scale_y, q.source_height));
}

}  // namespace trtd_kernels
