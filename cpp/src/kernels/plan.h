// What is launched, with which parameters and memory: no driver here, so that the emulator of test/native/kernels runs
// the same plans as the GPU.
#pragma once

#include <cstdint>
#include <vector>

#include "params.h"
#include "trtd.h"

namespace trtd {

struct Launch {
  const char* kernel;
  uint32_t x, y, z;  // blocks of trtd_kernels::THREADS threads
};

// Refuses a bad spec; answers bytes of one picture in the input tensor.
uint64_t checkLetterbox(const trtd_letterbox_spec& spec);

trtd_kernels::LetterboxParams letterboxParams(const trtd_letterbox_spec& spec);

// Refuses a frame that does not fit; the pixels' address is the caller's.
trtd_kernels::Frame frameOf(const trtd_frame& frame, const trtd_letterbox_spec& spec);

Launch letterboxLaunch(const trtd_letterbox_spec& spec, uint32_t frames);

// Offsets into one block of device memory. What lies before `counters` is written by the host before each run, counters
// are zeroed, results are read back.
struct DetectMemory {
  uint64_t questions, wanted, counters, list, best, boxes, visible, overlaps, results, bytes;
  uint64_t counter_bytes, result_bytes;  // of one picture
};

class DetectPlan {
 public:
  // Refuses a bad spec.
  explicit DetectPlan(const trtd_detect_spec& spec);

  // Elements that tensor `index` has for one picture, 0 when the layout has no such tensor.
  uint64_t tensorElements(uint32_t index) const;
  uint64_t tensorBytes(uint32_t index, uint32_t images) const;

  // Parameters with addresses in a block that begins at `base`; tensors are the caller's.
  trtd_kernels::DetectParams params(uint64_t base) const;

  std::vector<Launch> launches(uint32_t images) const;

  // `scores` and `ious`: one for each picture; `limits`: most boxes, 1 for class-agnostic, 1 when labels are chosen,
  // for each picture; `placements`: left, top, scale x, scale y, width, height for each picture, or null.
  trtd_kernels::Question question(uint32_t image, const float* scores, const float* ious, const int32_t* limits,
                                  const double* placements) const;

  const trtd_detect_spec spec;
  DetectMemory memory{};
  uint32_t wanted_words = 0;

 private:
  trtd_kernels::DetectParams params_{};
};

}  // namespace trtd
