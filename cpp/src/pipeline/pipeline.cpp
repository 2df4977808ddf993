#include "pipeline.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <mutex>

namespace trtd {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t FILE_BYTES_MAX = uint64_t{1} << 31;

// Most bytes of frames that start() copies: some 0.4 ms with idle cores, 2 ms on one.
constexpr uint64_t START_BYTES_MAX = uint64_t{24} << 20;

enum Way : size_t { BEGIN, DECODED, UPLOADED, WAYS };
enum Stage : size_t { WAITING, LETTERBOXED, INFERRED, POSTPROCESSED, DOWNLOADED, STAGES };

double since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

}  // namespace

void Pipeline::prepare(uint32_t count) {
  const int64_t batch = std::max<int64_t>(tensors_[input_].tensor.dims.size[0] < 0 ? count : largest_, least_);
  const bool foreign = context_->changes != seen_;
  if (!foreign && batch == batch_) return;
  replay_.forget();
  stages_.forget();
  explained(lane_, [&] {
    setShapes(batch);
    if (!foreign) return;
    for (const Bound& bound : tensors_) context_->setAddress(bound.tensor.name.c_str(), bound.memory, 0);
  });
  seen_ = context_->changes;
}

void Pipeline::place(const trtd_host_frame* frames, uint32_t count) {
  uint64_t pixels = 0;
  uint64_t staged = 0;
  placed_.clear();
  files_.clear();
  fileFrames_.clear();
  for (uint32_t i = 0; i < count; ++i) {
    const trtd_host_frame& frame = frames[i];
    const std::string name = "Frame " + std::to_string(i);
    if (frame.kind != TRTD_FRAME_RGB && frame.kind != TRTD_FRAME_JPEG) invalid(name + " is of an unknown kind");
    if (frame.kind == TRTD_FRAME_JPEG && !jpeg_) invalid(name + " is a JPEG file, and the pipeline has no decoder");
    if (frame.reserved != 0) invalid("\"reserved\" must be 0");
    trtd_frame same{};
    same.width = frame.width;
    same.height = frame.height;
    same.left = frame.left;
    same.top = frame.top;
    same.scaled_width = frame.scaled_width;
    same.scaled_height = frame.scaled_height;
    placed_.push_back(frameOf(same, letterbox_.spec));
    const uint64_t bytes = pixelBytes(frame);
    if (frame.data == 0) invalid(name + " has no bytes");
    if (frame.kind == TRTD_FRAME_RGB) {
      if (frame.bytes != bytes) {
        invalid(name + " has " + std::to_string(frame.bytes) + " bytes, its size needs " + std::to_string(bytes));
      }
      staged += alignedFrame(bytes);
    } else if (frame.bytes == 0 || frame.bytes > FILE_BYTES_MAX) {
      invalid(name + " must have 1 to " + std::to_string(FILE_BYTES_MAX) + " bytes");
    }
    placed_.back().pixels = pixels;
    pixels += alignedFrame(bytes);
  }
  const bool grows = pixels > pixels_.bytes() || staged > uploads_.bytes();
  pixels_.reserve(pixels);
  uploads_.begin(staged);
  if (grows) note();
  for (uint32_t i = 0; i < count; ++i) {
    trtd_kernels::Frame& frame = placed_[i];
    frame.pixels += pixels_.address();
    if (frames[i].kind != TRTD_FRAME_JPEG) continue;
    files_.push_back({dataOf(frames[i]), static_cast<size_t>(frames[i].bytes), frame.pixels, frames[i].width,
                      frames[i].height});
    fileFrames_.push_back(i);
  }
}

template <class Body>
void Pipeline::naming(Body&& body) const {
  try {
    body();
  } catch (Failure& failure) {
    const auto file = static_cast<size_t>(failure.code);
    if (failure.status == TRTD_PICTURE_REFUSED && file < fileFrames_.size()) {
      failure.code = static_cast<int32_t>(fileFrames_[file]);
    }
    throw;
  }
}

void Pipeline::upload(const trtd_host_frame* frames) {
  for (size_t i = 0; i < placed_.size(); ++i) {
    if (frames[i].kind == TRTD_FRAME_RGB) uploads_.add(frames[i], placed_[i].pixels);
  }
  uploads_.run();
}

void Pipeline::enqueueWhole() const {
  letterbox_.enqueue(lane_.stream());
  context_->enqueue(lane_.stream());
  detections_.enqueue(lane_.stream());
}

void Pipeline::enqueueStages(bool captured) {
  const auto mark = [&] {
    if (captured) inner_.markCaptured();
    else inner_.mark();
  };
  inner_.begin(STAGES);
  mark();
  letterbox_.enqueue(lane_.stream());
  mark();
  context_->enqueue(lane_.stream());
  mark();
  detections_.enqueueWork(lane_.stream());
  mark();
  detections_.enqueueCopy(lane_.stream());
  mark();
}

void Pipeline::runStages(uint32_t count, Times& times) {
  const bool launched = stages_.launch(count);
  if (!launched) enqueueStages(false);
  lane_.wait();
  times.decode = files_.empty() ? 0 : marks_.between(BEGIN, DECODED);
  times.upload = marks_.between(DECODED, UPLOADED);
  times.letterbox = inner_.between(WAITING, LETTERBOXED);
  times.inference = inner_.between(LETTERBOXED, INFERRED);
  times.postprocess = inner_.between(INFERRED, POSTPROCESSED);
  times.download = inner_.between(POSTPROCESSED, DOWNLOADED);
  if (!launched && stages_.wanted() && stages_.refusal().empty()) stages_.capture(count, [&] { enqueueStages(true); });
}

void Pipeline::timeAgain(uint32_t runs, double* ms) {
  require(ready_ && !started_, "There is no run to repeat: none was made, or the last one failed");
  const std::lock_guard<std::mutex> alone(context_->mutex);
  lane_.device->makeCurrent();
  const bool own = context_->changes == seen_;
  for (uint32_t i = 0; i < runs; ++i) {
    if (!own || !stages_.launch(placed_.size())) {
      lane_.requireHealth();
      fail(TRTD_UNSUPPORTED, "There is no CUDA graph of the last run with events between its stages");
    }
    lane_.wait();
    ms[i] = inner_.between(LETTERBOXED, INFERRED);
  }
}

void Pipeline::requireStartable(uint32_t count) const {
  require(count >= 1 && count <= static_cast<uint32_t>(letterbox_.spec.frames_max),
          "There are too few or too many frames");
  require(!started_, "A run was started and is not finished");
  require(anchored_, "The anchors are not set");
}

void Pipeline::take(const trtd_host_frame* frames, uint32_t count, const Asked& asked) {
  ready_ = false;
  lane_.device->makeCurrent();
  detections_.setImages(count, asked);
  place(frames, count);
  prepare(count);
}

bool Pipeline::start(const trtd_host_frame* frames, uint32_t count, const Asked& asked) {
  const auto begin = Clock::now();
  requireStartable(count);
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < count; ++i) {
    if (frames[i].kind != TRTD_FRAME_RGB || frames[i].bytes > START_BYTES_MAX) return false;
    bytes += frames[i].bytes;
  }
  if (bytes > START_BYTES_MAX) return false;
  const std::lock_guard<std::mutex> alone(context_->mutex);
  take(frames, count, asked);
  if (!replay_.has(count)) return false;
  try {
    upload(frames);
    starting_ = {};
    starting_.upload = since(begin);
    letterbox_.placeFrames(placed_);
    started_ = replay_.launch(count);
    if (!started_) lane_.requireHealth();
  } catch (...) {
    lane_.settle();
    throw;
  }
  begun_ = begin;
  return started_;
}

Times Pipeline::finish() {
  require(started_, "No run was started");
  lane_.device->makeCurrent();
  try {
    lane_.wait();
  } catch (...) {
    started_ = false;
    lane_.settle();
    throw;
  }
  return finished();
}

bool Pipeline::poll(Times& times) {
  require(started_, "No run was started");
  lane_.device->makeCurrent();
  try {
    if (!lane_.isDone()) return false;
  } catch (...) {
    started_ = false;
    throw;
  }
  times = finished();
  return true;
}

Times Pipeline::finished() {
  started_ = false;
  Times times = starting_;
  times.total = since(begun_);
  times.inference = times.total - times.upload;
  ready_ = true;
  holding_.addRun();
  return times;
}

Times Pipeline::run(const trtd_host_frame* frames, uint32_t count, const Asked& asked, bool timed) {
  const auto begin = Clock::now();
  requireStartable(count);
  const std::lock_guard<std::mutex> alone(context_->mutex);
  take(frames, count, asked);
  Times times;
  try {
    if (timed) {
      marks_.begin(WAYS);
      marks_.mark();
    }
    std::unique_lock<std::mutex> decoding;
    std::unique_ptr<JpegInspection> inspection;
    if (!files_.empty()) {
      decoding = std::unique_lock<std::mutex>(jpeg_->mutex);
      naming([&] { inspection = jpeg_->enqueue(files_.data(), files_.size(), lane_.stream()); });
    }
    if (timed) marks_.mark();
    else times.decode = files_.empty() ? 0 : since(begin);
    upload(frames);
    if (timed) marks_.mark();
    else times.upload = since(begin) - times.decode;
    letterbox_.placeFrames(placed_);
    explained(lane_, [&] {
      if (timed) runStages(count, times);
      else replay_.run(count, [&] { enqueueWhole(); });
    });
    if (inspection) naming([&] { inspection->finish(); });
  } catch (...) {
    lane_.settle();
    throw;
  }
  times.total = since(begin);
  if (!timed) times.inference = times.total - times.decode - times.upload;
  ready_ = true;
  holding_.addRun();
  return times;
}

void Pipeline::read(uint32_t image, float* numbers, int32_t* labels, uint32_t capacity, uint32_t* counts) const {
  require(ready_, "There is no run to read: none was made, or the last one failed");
  detections_.giveBoxes(image, numbers, labels, capacity, counts);
}

void Pipeline::note() {
  const uint64_t table = sizeof(trtd_kernels::Frame) * static_cast<uint64_t>(letterbox_.spec.frames_max);
  const DetectMemory& memory = detections_.plan.memory;
  uint64_t device = pixels_.bytes() + table + memory.bytes + (anchors_ ? anchors_->bytes : 0);
  for (const Bound& bound : tensors_) device += bound.memory->bytes;
  const uint64_t results = memory.result_bytes * static_cast<uint64_t>(detections_.plan.spec.images_max);
  const int64_t fixed = tensors_[input_].tensor.dims.size[0];
  holding_.set(device, uploads_.bytes() + table + memory.list + results, fixed < 0 ? 0 : static_cast<int32_t>(fixed));
}

}  // namespace trtd
