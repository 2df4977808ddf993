// What a run of a fake engine computes, in the stream of the fake driver where there is one:
//   TRTD_FAKE_OUTPUTS=FOLDER   an output NAME with a file FOLDER/NAME.bin gets its bytes, again and again
//   TRTD_FAKE head=yolov8      an output [N, 4+C, A] (f32 or f16) gets one box for each plane of the first input
//                              [N, 3, H, W] with pixels over 0.75 of its highest value, around them: anchor and class
//                              are the plane's number (red 0, green 1, blue 2; class modulo C), the score is 0.5, 0.6, 0.7.
//                              With a second input [N, 2] anchor 3, class 3, score 0.9, is the box 0, 0, width, height
//   TRTD_FAKE head=end-to-end  an output [N, K, 6] gets the same boxes as rows, those that are there first
//   otherwise                  element i is 2 * input[i % n] + 1, of the first input
// Elements are f16 (type 1), i64 (type 8), else f32. TRTD_FAKE run=N ends each run with CUresult N; run-spared=K: not the
// first K of the process.
#pragma once

#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <fstream>

#include "build.h"

namespace fake {

inline int64_t elementBytes(int32_t type) { return type == 1 ? 2 : type == 8 ? 8 : 4; }

inline float floatOf(uint16_t half) {
  int const exponent = half >> 10 & 31;
  int const mantissa = half & 1023;
  float const size = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -24)
                                   : std::ldexp(static_cast<float>(1024 + mantissa), exponent - 25);
  return (half & 0x8000) != 0 ? -size : size;
}

// For numbers of a size that halves have; cut, not rounded.
inline uint16_t halfOf(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  int const exponent = static_cast<int>(bits >> 23 & 255) - 112;
  if (exponent <= 0) return static_cast<uint16_t>(bits >> 16 & 0x8000);
  return static_cast<uint16_t>((bits >> 16 & 0x8000) | static_cast<uint32_t>(exponent) << 10 | (bits >> 13 & 1023));
}

struct Bound {
  TensorSpec spec;
  Dims dims;
  void* memory;

  float at(int64_t index) const {
    if (spec.type == 1) return floatOf(static_cast<uint16_t const*>(memory)[index]);
    if (spec.type == 8) return static_cast<float>(static_cast<int64_t const*>(memory)[index]);
    return static_cast<float const*>(memory)[index];
  }
  void set(int64_t index, float value) const {
    if (spec.type == 1) static_cast<uint16_t*>(memory)[index] = halfOf(value);
    else if (spec.type == 8) static_cast<int64_t*>(memory)[index] = static_cast<int64_t>(value);
    else static_cast<float*>(memory)[index] = value;
  }
};

struct Box {
  float x1, y1, x2, y2, score;
  int label;
};

// A function of the fake driver, null where there is none.
template <class Function>
Function ofDriver(char const* name) {
  void* const driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  if (driver == nullptr) return nullptr;
  auto const found = reinterpret_cast<Function>(dlsym(driver, name));
  dlclose(driver);
  return found;
}

// Whether a run's fault is meant for this thread's device.
inline bool meant() {
  auto const ask = ofDriver<bool (*)()>("fake_meant");
  return ask == nullptr || ask();
}

struct Run {
  std::vector<Bound> tensors;
  std::shared_ptr<std::atomic<uint64_t>> state;
  uint64_t version = 0;

  Bound const* input(size_t number) const {
    for (Bound const& tensor : tensors) {
      if (tensor.spec.mode == 1 && number-- == 0) return &tensor;
    }
    return nullptr;
  }

  // The boxes of a picture as head=yolov8 has them; score 0 where there is none.
  std::vector<Box> boxes(int64_t picture) const {
    Bound const& pixels = *input(0);
    int64_t const height = pixels.dims.d[2];
    int64_t const width = pixels.dims.d[3];
    float highest = 0;
    for (int64_t i = 0; i < 3 * height * width; ++i) highest = std::max(highest, pixels.at(picture * 3 * height * width + i));
    float const limit = 0.75f * (highest > 1 ? 255.0f : 1.0f);
    std::vector<Box> found;
    for (int plane = 0; plane < 3; ++plane) {
      int64_t x1 = width, y1 = height, x2 = -1, y2 = -1;
      for (int64_t y = 0; y < height; ++y) {
        for (int64_t x = 0; x < width; ++x) {
          if (pixels.at(((picture * 3 + plane) * height + y) * width + x) <= limit) continue;
          x1 = std::min(x1, x), y1 = std::min(y1, y), x2 = std::max(x2, x), y2 = std::max(y2, y);
        }
      }
      bool const there = x2 >= 0;
      found.push_back({static_cast<float>(there ? x1 : 0), static_cast<float>(there ? y1 : 0),
                       static_cast<float>(x2 + 1), static_cast<float>(y2 + 1),
                       there ? 0.5f + 0.1f * static_cast<float>(plane) : 0, plane});
    }
    Bound const* const sizes = input(1);
    if (sizes != nullptr) {
      auto const number = [&](int64_t index) {
        return sizes->spec.type == 3 ? static_cast<float>(static_cast<int32_t const*>(sizes->memory)[index])
                                     : sizes->at(index);
      };
      found.push_back({0, 0, number(2 * picture), number(2 * picture + 1), 0.9f, 3});
    }
    return found;
  }

  void yolov8(Bound const& out) const {
    int64_t const channels = out.dims.d[1];
    int64_t const anchors = out.dims.d[2];
    for (int64_t picture = 0; picture < out.dims.d[0]; ++picture) {
      auto const put = [&](int64_t channel, int64_t anchor, float value) {
        if (anchor < anchors) out.set((picture * channels + channel) * anchors + anchor, value);
      };
      for (int64_t i = 0; i < channels * anchors; ++i) out.set(picture * channels * anchors + i, 0);
      int64_t anchor = 0;
      for (Box const& box : boxes(picture)) {
        put(0, anchor, (box.x1 + box.x2) / 2);
        put(1, anchor, (box.y1 + box.y2) / 2);
        put(2, anchor, box.x2 - box.x1);
        put(3, anchor, box.y2 - box.y1);
        put(4 + box.label % (channels - 4), anchor, box.score);
        ++anchor;
      }
    }
  }

  void endToEnd(Bound const& out) const {
    int64_t const rows = out.dims.d[1];
    int64_t const columns = out.dims.d[2];
    for (int64_t i = 0; i < elements(out.dims); ++i) out.set(i, 0);
    for (int64_t picture = 0; picture < out.dims.d[0]; ++picture) {
      int64_t row = 0;
      for (Box const& box : boxes(picture)) {
        if (box.score <= 0 || row >= rows) continue;
        float const values[] = {box.x1, box.y1, box.x2, box.y2, box.score, static_cast<float>(box.label)};
        for (int64_t i = 0; i < 6; ++i) out.set((picture * rows + row) * columns + i, values[i]);
        ++row;
      }
    }
  }

  bool fromFile(Bound const& out) const {
    char const* const folder = getenv("TRTD_FAKE_OUTPUTS");
    if (folder == nullptr || *folder == 0) return false;
    std::ifstream file(std::string(folder) + "/" + out.spec.name + ".bin", std::ios::binary);
    std::string const bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    if (bytes.empty()) return false;
    auto* const to = static_cast<char*>(out.memory);
    auto const size = static_cast<size_t>(elements(out.dims) * elementBytes(out.spec.type));
    for (size_t at = 0; at < size; at += bytes.size()) memcpy(to + at, bytes.data(), std::min(bytes.size(), size - at));
    return true;
  }

  int compute() const {
    if (state->load() != version) {
      record("STALE RUN");
      return 719;
    }
    std::string const head = script("head");
    Bound const& from = *input(0);
    int64_t const n = elements(from.dims);
    for (Bound const& out : tensors) {
      if (out.spec.mode != 2 || fromFile(out)) continue;
      if (head == "yolov8" && out.dims.nbDims == 3) yolov8(out);
      else if (head == "end-to-end" && out.dims.nbDims == 3) endToEnd(out);
      else for (int64_t i = 0, count = elements(out.dims); i < count; ++i) out.set(i, 2 * from.at(i % n) + 1);
    }
    static std::atomic<int> runs{0};
    bool const spared = runs++ < atoi(script("run-spared").c_str());
    int const fault = spared ? 0 : atoi(script("run").c_str());
    return fault == 0 || !meant() ? 0 : fault;
  }
};

// Whether this thread captures a stream.
inline bool capturing() {
  auto const ask = ofDriver<bool (*)()>("fake_capturing");
  return ask != nullptr && ask();
}

// Puts a run into a stream of the fake driver, or does it at once where there is none.
inline bool runInStream(void* stream, Run run) {
  auto const submit = ofDriver<int (*)(void*, int (*)(void*), void (*)(void*), void*)>("fake_submit");
  if (submit == nullptr || stream == nullptr) return run.compute() == 0;
  int const result = submit(
      stream, [](void* data) { return static_cast<Run*>(data)->compute(); },
      [](void* data) { delete static_cast<Run*>(data); }, new Run(std::move(run)));
  if (result == 0) return true;
  log(ERROR, "IExecutionContext::enqueueV3: Error Code 1: Cuda Driver (error " + std::to_string(result) + ")");
  return false;
}

}  // namespace fake
