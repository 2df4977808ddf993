#include "pipeline.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <mutex>

namespace trtd {
namespace {

using Clock = std::chrono::steady_clock;

// Bytes that a thread copies to pinned memory at a time: while the device fetches what was copied, the host copies on.
constexpr uint64_t PIECE = uint64_t{256} << 10;
// Bytes of one transfer: each costs the device's copy engine some 15 us beside its bytes. One thread copies slower than
// the device fetches; with several the device is what is waited for, and larger transfers are better.
constexpr uint64_t TRANSFER = uint64_t{512} << 10;
constexpr uint64_t SHARED_TRANSFER = uint64_t{1} << 20;
constexpr uint64_t ALIGNMENT = 256;
constexpr uint64_t FILE_BYTES_MAX = uint64_t{1} << 31;

// Most bytes of frames that start() copies: some 0.3 ms.
constexpr uint64_t START_BYTES_MAX = uint64_t{4} << 20;

enum Way : size_t { BEGIN, DECODED, UPLOADED, WAYS };
enum Stage : size_t { WAITING, LETTERBOXED, INFERRED, POSTPROCESSED, DOWNLOADED, STAGES };

double since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

uint64_t aligned(uint64_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

uint64_t pixelBytes(const trtd_host_frame& frame) {
  return 3 * static_cast<uint64_t>(frame.width) * static_cast<uint64_t>(frame.height);
}

const uint8_t* dataOf(const trtd_host_frame& frame) {
  return reinterpret_cast<const uint8_t*>(static_cast<uintptr_t>(frame.data));
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
      staged += aligned(bytes);
    } else if (frame.bytes == 0 || frame.bytes > FILE_BYTES_MAX) {
      invalid(name + " must have 1 to " + std::to_string(FILE_BYTES_MAX) + " bytes");
    }
    placed_.back().pixels = pixels;
    pixels += aligned(bytes);
  }
  const bool grows = pixels > pixels_.bytes() || staged > staged_.bytes();
  pixels_.reserve(pixels);
  staged_.reserve(staged);
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
  pieces_.clear();
  targets_.clear();
  unsigned char* to = staged_.data();
  for (size_t i = 0; i < placed_.size(); ++i) {
    if (frames[i].kind != TRTD_FRAME_RGB) continue;
    const uint8_t* const from = dataOf(frames[i]);
    const uint64_t bytes = pixelBytes(frames[i]);
    for (uint64_t at = 0; at < bytes; at += PIECE) {
      pieces_.push_back({to + at, from + at, std::min(PIECE, bytes - at)});
      targets_.push_back(placed_[i].pixels + at);
    }
    to += aligned(bytes);
  }
  size_t first = 0;
  uint64_t waiting = 0;
  copyPieces(pieces_, shared_, [&](size_t i) {
    waiting += pieces_[i].bytes;
    const bool whole = i + 1 == pieces_.size() || targets_[i] + pieces_[i].bytes != targets_[i + 1] ||
                       pieces_[i].to + pieces_[i].bytes != pieces_[i + 1].to;
    if (!whole && waiting < (shared_ ? SHARED_TRANSFER : TRANSFER)) return;
    lane_.upload(targets_[first], pieces_[first].to, waiting);
    first = i + 1;
    waiting = 0;
  });
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

bool Pipeline::start(const trtd_host_frame* frames, uint32_t count, const Asked& asked) {
  const auto begin = Clock::now();
  require(count >= 1 && count <= static_cast<uint32_t>(letterbox_.spec.frames_max),
          "There are too few or too many frames");
  require(!started_, "A run was started and is not finished");
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < count; ++i) {
    if (frames[i].kind != TRTD_FRAME_RGB || frames[i].bytes > START_BYTES_MAX) return false;
    bytes += frames[i].bytes;
  }
  if (bytes > START_BYTES_MAX) return false;
  ready_ = false;
  const std::lock_guard<std::mutex> alone(context_->mutex);
  lane_.device->makeCurrent();
  detections_.setImages(count, asked);
  place(frames, count);
  prepare(count);
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
  require(count >= 1 && count <= static_cast<uint32_t>(letterbox_.spec.frames_max),
          "There are too few or too many frames");
  require(!started_, "A run was started and is not finished");
  ready_ = false;
  const std::lock_guard<std::mutex> alone(context_->mutex);
  lane_.device->makeCurrent();
  detections_.setImages(count, asked);
  place(frames, count);
  prepare(count);
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
  uint64_t device = pixels_.bytes() + table + memory.bytes;
  for (const Bound& bound : tensors_) device += bound.memory->bytes;
  const uint64_t results = memory.result_bytes * static_cast<uint64_t>(detections_.plan.spec.images_max);
  const int64_t fixed = tensors_[input_].tensor.dims.size[0];
  holding_.set(device, staged_.bytes() + table + memory.list + results, fixed < 0 ? 0 : static_cast<int32_t>(fixed));
}

}  // namespace trtd

using namespace trtd;

extern "C" {

uint64_t trtd_address(const void* memory) { return static_cast<uint64_t>(reinterpret_cast<uintptr_t>(memory)); }

int32_t trtd_pipeline_create(uint64_t context, uint64_t kernels, uint64_t jpeg, const char* input, const char* outputs,
                             const char* size_input, const trtd_letterbox_spec* letterbox,
                             const trtd_detect_spec* detections, int32_t flags, int32_t spin_us, uint64_t* pipeline,
                             trtd_error* error) {
  return guard(error, [&] {
    requireOut(pipeline, "\"pipeline\" must not be NULL");
    require(input != nullptr && outputs != nullptr && letterbox != nullptr && detections != nullptr,
            "\"input\", \"outputs\", \"letterbox\" and \"detections\" must not be NULL");
    checkRunOptions(flags, spin_us);
    const auto device = get<Kernels>(kernels);
    const auto decoder = jpeg != 0 ? get<JpegDecoder>(jpeg) : nullptr;
    require(!decoder || decoder->device->index == device->device->index, "The decoder is on another device");
    const Locked<Context> target(context);
    requireSameDevice(*target, *device->device);
    device->device->makeCurrent();
    const PipelineSpec spec{input, outputs, size_input, *letterbox, *detections, flags, spin_us};
    *pipeline = publish(std::make_shared<Pipeline>(target.share(), device, decoder, spec));
  });
}

int32_t trtd_pipeline_run(uint64_t pipeline, const trtd_host_frame* frames, uint32_t count, const float* scores,
                          const float* ious, const int32_t* limits, const double* placements, const uint32_t* wanted,
                          int32_t flags, double* times, trtd_error* error) {
  return guard(error, [&] {
    require(count >= 1, "There are too few or too many frames");
    require(frames != nullptr && scores != nullptr && ious != nullptr && limits != nullptr,
            "\"frames\", \"scores\", \"ious\" and \"limits\" must not be NULL");
    require((flags & ~TRTD_RUN_TIMED) == 0, "\"flags\" has an unknown bit");
    const Locked<Pipeline> target(pipeline);
    const Times took =
        target->run(frames, count, {scores, ious, limits, placements, wanted}, (flags & TRTD_RUN_TIMED) != 0);
    static_assert(sizeof took == 7 * sizeof(double), "times are what trtd.h says");
    if (times != nullptr) std::memcpy(times, &took, sizeof took);
  });
}

int32_t trtd_pipeline_start(uint64_t pipeline, const trtd_host_frame* frames, uint32_t count, const float* scores,
                            const float* ious, const int32_t* limits, const double* placements, const uint32_t* wanted,
                            int32_t* started, trtd_error* error) {
  return guard(error, [&] {
    require(count >= 1, "There are too few or too many frames");
    require(frames != nullptr && scores != nullptr && ious != nullptr && limits != nullptr && started != nullptr,
            "\"frames\", \"scores\", \"ious\", \"limits\" and \"started\" must not be NULL");
    *started = Locked<Pipeline>(pipeline)->start(frames, count, {scores, ious, limits, placements, wanted}) ? 1 : 0;
  });
}

int32_t trtd_pipeline_finish(uint64_t pipeline, double* times, trtd_error* error) {
  return guard(error, [&] {
    const Times took = Locked<Pipeline>(pipeline)->finish();
    if (times != nullptr) std::memcpy(times, &took, sizeof took);
  });
}

int32_t trtd_pipeline_poll(uint64_t pipeline, int32_t* done, double* times, trtd_error* error) {
  return guard(error, [&] {
    require(done != nullptr, "\"done\" must not be NULL");
    Times took;
    *done = Locked<Pipeline>(pipeline)->poll(took) ? 1 : 0;
    if (*done == 1 && times != nullptr) std::memcpy(times, &took, sizeof took);
  });
}

int32_t trtd_pipeline_read(uint64_t pipeline, uint32_t image, float* numbers, int32_t* labels, uint32_t capacity,
                           uint32_t* counts, trtd_error* error) {
  return guard(error, [&] { Locked<Pipeline>(pipeline)->read(image, numbers, labels, capacity, counts); });
}

int32_t trtd_pipeline_facts(uint64_t pipeline, trtd_pipeline_info* info, trtd_error* error) {
  return guard(error, [&] {
    require(info != nullptr, "\"info\" must not be NULL");
    *info = get<Pipeline>(pipeline)->facts();
  });
}
}
