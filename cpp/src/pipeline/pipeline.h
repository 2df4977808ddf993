// Frames in host memory to boxes.
#pragma once

#include <chrono>

#include "jpeg/jpeg.h"
#include "kernels/launch.h"
#include "run.h"
#include "upload.h"

namespace trtd {

struct PipelineSpec {
  const char* input;
  const char* outputs;
  const char* sizeInput;  // null for none
  trtd_letterbox_spec letterbox;
  trtd_detect_spec detections;
  int32_t flags;
  int32_t spinUs;
};

struct Times {
  double decode = 0, upload = 0, letterbox = 0, inference = 0, postprocess = 0, download = 0, total = 0;
};

struct Pipeline final : Object {
  static constexpr Kind KIND = Kind::pipeline;
  // The caller holds the context's lock.
  Pipeline(std::shared_ptr<Context> runs, std::shared_ptr<Kernels> owner, std::shared_ptr<JpegDecoder> decoder,
           const PipelineSpec& spec);
  ~Pipeline() override;

  Times run(const trtd_host_frame* frames, uint32_t count, const Asked& asked, bool timed);
  // Puts a run into the stream and returns; false, with nothing done, where that would take longer: no graph is ready,
  // a frame is no RGB, or they have more than START_BYTES_MAX bytes. finish() must follow and nothing else before it.
  bool start(const trtd_host_frame* frames, uint32_t count, const Asked& asked);
  Times finish();
  // finish() if that need not wait; else false.
  bool poll(Times& times);
  // The stages of the last run again, on what is on the device: milliseconds of the model in each of `runs`.
  void timeAgain(uint32_t runs, double* ms);
  // `count` numbers, as many as the layout has for the largest batch.
  void setAnchors(const float* values, uint64_t count);
  void read(uint32_t image, float* numbers, int32_t* labels, uint32_t capacity, uint32_t* counts) const;
  trtd_pipeline_info facts() const { return holding_.facts(replay_); }

 private:
  struct Bound {  // a tensor of the engine and its memory
    EngineTensor tensor;
    std::shared_ptr<Memory> memory;
  };

  void findTensors(const PipelineSpec& spec);
  void allocate();
  void fillSizes(Bound& sizes);
  void bindOutputs();
  // A tensor of anchors that no output of the engine is.
  void bindAnchors();
  void requireStartable(uint32_t count) const;
  // Frames and what is asked of them, for a run of their own. The caller holds the context's lock.
  void take(const trtd_host_frame* frames, uint32_t count, const Asked& asked);
  void setShapes(int64_t batch);
  // Shapes and addresses for `count` frames.
  void prepare(uint32_t count);
  void place(const trtd_host_frame* frames, uint32_t count);
  // Has failures of the decoder name the frame instead of the file.
  template <class Body>
  void naming(Body&& body) const;
  void upload(const trtd_host_frame* frames);
  Times finished();
  void enqueueWhole() const;
  void enqueueStages(bool captured);
  void runStages(uint32_t count, Times& times);
  void note();

  const std::shared_ptr<Context> context_;
  const std::shared_ptr<Kernels> kernels_;
  const std::shared_ptr<JpegDecoder> jpeg_;
  Lane lane_;
  Letterbox letterbox_;
  Detections detections_;
  Replay replay_;
  Marks marks_;    // of the way to the device
  Marks inner_;    // of what is a graph
  Replay stages_;  // with the inner marks
  Uploader uploads_;
  DeviceBuffer pixels_;
  std::vector<Bound> tensors_;
  size_t input_ = 0;              // index in tensors_
  std::vector<size_t> outputs_;   // in the order of the layout
  size_t sizes_ = SIZE_MAX;       // SIZE_MAX: no size input
  std::shared_ptr<Memory> anchors_;  // null: they are an output, or there are none
  bool anchored_ = true;          // they are set, where there are some
  bool dynamic_ = false;
  int64_t least_ = 1;             // smallest batch of the engine
  int64_t largest_ = 1;           // pictures that buffers hold
  int64_t batch_ = 0;             // that the context is set to
  uint64_t seen_ = UINT64_MAX;    // changes of the context that are ours
  std::vector<trtd_kernels::Frame> placed_;
  std::vector<JpegPicture> files_;
  std::vector<uint32_t> fileFrames_;
  bool started_ = false;  // and not finished
  std::chrono::steady_clock::time_point begun_;
  Times starting_;
  bool ready_ = false;  // the last run ended well
  Holding holding_;
};

}  // namespace trtd
