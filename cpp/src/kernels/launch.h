// The kernels on a device: the module, and what launches its functions.
#pragma once

#include <vector>

#include "cuda/cuda.h"
#include "plan.h"

namespace trtd {

// driver.inc lists the entry points.
struct KernelDriver {
#define CUDA(member, symbol, parameters) int (*member) parameters = nullptr;
#include "driver.inc"
#undef CUDA
};

// The PTX, compiled by the driver for one device.
struct Kernels final : Object {
  static constexpr Kind KIND = Kind::kernels;
  explicit Kernels(std::shared_ptr<Device> owner);
  ~Kernels() override;

  template <class Params>
  void launch(const Launch& what, const Params& params, CudaStream stream) const {
    Params copy = params;
    launchWith(what, &copy, stream);
  }

  const std::shared_ptr<Device> device;
  KernelDriver driver;

 private:
  void launchWith(const Launch& what, void* params, CudaStream stream) const;

  void* module_ = nullptr;
  std::vector<std::pair<std::string, void*>> functions_;
};

// Host memory that the GPU copies from and to without a stop in between; zeroed.
class Pinned {
 public:
  Pinned(std::shared_ptr<Kernels> owner, uint64_t size);
  ~Pinned();
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  unsigned char* data() const { return data_; }

 private:
  const std::shared_ptr<Kernels> kernels_;
  unsigned char* data_ = nullptr;
};

struct Letterbox final : Object {
  static constexpr Kind KIND = Kind::letterbox;
  Letterbox(std::shared_ptr<Kernels> owner, const trtd_letterbox_spec& wished);
  void setFrames(const trtd_frame* frames, uint32_t count);
  // Frames of frameOf() whose pixels are the caller's to keep.
  void placeFrames(const std::vector<trtd_kernels::Frame>& frames);
  void setTarget(std::shared_ptr<Memory> memory, uint64_t offset);
  void enqueue(CudaStream stream) const;

  const std::shared_ptr<Kernels> kernels;
  const trtd_letterbox_spec spec;
  const uint64_t picture_bytes;

 private:
  Memory table_;
  Pinned staged_;
  trtd_kernels::LetterboxParams params_;
  uint32_t count_ = 0;
  std::shared_ptr<Memory> target_;
  uint64_t offset_ = 0;
  std::vector<std::shared_ptr<Memory>> sources_;
};

// What trtd_detections_set_images() takes.
struct Asked {
  const float* scores;
  const float* ious;
  const int32_t* limits;
  const double* placements;
  const uint32_t* wanted;
};

struct Detections final : Object {
  static constexpr Kind KIND = Kind::detections;
  Detections(std::shared_ptr<Kernels> owner, const trtd_detect_spec& spec);
  void setTensor(uint32_t index, std::shared_ptr<Memory> memory, uint64_t offset);
  void setImages(uint32_t count, const Asked& asked);
  void enqueue(CudaStream stream) const {
    enqueueWork(stream);
    enqueueCopy(stream);
  }
  // The two parts of a run: all work on the device, and the copy of its boxes.
  void enqueueWork(CudaStream stream) const;
  void enqueueCopy(CudaStream stream) const;
  // Result of one picture, as the last finished run left it.
  const unsigned char* result(uint32_t image) const;
  // The same as trtd_detections_read() gives it.
  void giveBoxes(uint32_t image, float* numbers, int32_t* labels, uint32_t capacity, uint32_t* counts) const;

  const std::shared_ptr<Kernels> kernels;
  const DetectPlan plan;

 private:
  Memory memory_;
  Pinned staged_;
  Pinned results_;
  trtd_kernels::DetectParams params_;
  uint32_t count_ = 0;
  std::shared_ptr<Memory> tensors_[4];
  uint64_t offsets_[4] = {};
};

}  // namespace trtd
