#include "lane.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/dynamic.h"

namespace trtd {
namespace {

constexpr int CUDA_ERROR_NOT_READY = 600;
// CUresults of captures, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED to CUDA_ERROR_CAPTURED_EVENT and their neighbours.
constexpr int CAPTURE_FIRST = 900;
constexpr int CAPTURE_LAST = 908;
constexpr unsigned EVENT_DEFAULT = 0;
constexpr unsigned EVENT_BLOCKING_SYNC = 1;
constexpr unsigned EVENT_DISABLE_TIMING = 2;
constexpr unsigned EVENT_RECORD_EXTERNAL = 1;
// Restricts the capturing thread alone: other threads allocate and copy as they like, and what a graph cannot hold is an
// error here instead of missing in the graph.
constexpr int CAPTURE_MODE_THREAD_LOCAL = 1;
constexpr uint64_t GRANULE = uint64_t{1} << 20;

using Clock = std::chrono::steady_clock;

double millisecondsNow() { return std::chrono::duration<double, std::milli>(Clock::now().time_since_epoch()).count(); }

// Sizes to try for memory of `old` bytes that must hold `needed`: twice as much as before, then what must be.
std::vector<uint64_t> sizesFor(uint64_t old, uint64_t needed) {
  const uint64_t exact = (needed + GRANULE - 1) / GRANULE * GRANULE;
  std::vector<uint64_t> sizes = {std::max(exact, 2 * old)};
  if (sizes.back() != exact) sizes.push_back(exact);
  return sizes;
}

}  // namespace

AsyncDriver::AsyncDriver(const Cuda& cuda) {
  const auto find = [&](const char* symbol, const char* older, auto& target) {
    return load(cuda.library, symbol, target) || (older != nullptr && load(cuda.library, older, target));
  };
#define REQUIRED(member, symbol, older, parameters)                                                               \
  if (!find(symbol, older, member)) {                                                                             \
    fail(TRTD_SYMBOL_MISSING, "\"" + cuda.path + "\" has no " + symbol + ": it is no CUDA driver library or too old", \
         TRTD_ORIGIN_SYSTEM);                                                                                     \
  }
#define OPTIONAL(member, symbol, older, parameters) find(symbol, older, member);
#include "async.inc"
#undef OPTIONAL
#undef REQUIRED
}

bool AsyncDriver::hasEvents() const {
  return eventCreate != nullptr && eventDestroy != nullptr && eventRecord != nullptr && eventSynchronize != nullptr &&
         eventElapsedTime != nullptr;
}

bool AsyncDriver::hasGraphs() const {
  return streamBeginCapture != nullptr && streamEndCapture != nullptr && graphLaunch != nullptr &&
         graphExecDestroy != nullptr && graphDestroy != nullptr &&
         (graphInstantiateWithFlags != nullptr || graphInstantiate != nullptr);
}

Lane::Lane(std::shared_ptr<Device> owner, int32_t spinUs)
    : device(std::move(owner)), driver(*device->cuda), stream_(std::make_unique<Stream>(device)), spinUs_(spinUs) {
  if (driver.hasEvents()) {
    cuda().check(driver.eventCreate(&done_, EVENT_BLOCKING_SYNC | EVENT_DISABLE_TIMING), "cuEventCreate");
  }
}

Lane::~Lane() {
  makeCurrentQuietly(device);
  if (done_ != nullptr) driver.eventDestroy(done_);
}

void Lane::upload(CudaAddress to, const void* pinned, uint64_t bytes) const {
  cuda().check(driver.memcpyHtoDAsync(to, pinned, bytes, stream()), "cuMemcpyHtoDAsync");
}

void Lane::download(void* pinned, CudaAddress from, uint64_t bytes) const {
  cuda().check(driver.memcpyDtoHAsync(pinned, from, bytes, stream()), "cuMemcpyDtoHAsync");
}

void Lane::clear(CudaAddress to, uint64_t bytes) const {
  cuda().check(driver.memsetD8Async(to, 0, bytes, stream()), "cuMemsetD8Async");
}

bool Lane::isDone() const {
  const int result = driver.streamQuery(stream());
  if (result == CUDA_ERROR_NOT_READY) return false;
  cuda().check(result, "cuStreamQuery");
  return true;
}

void Lane::wait() const {
  // Asking sees the end of a run within a few microseconds, where a sleeping thread is woken 30 to 60 us late, which is
  // a tenth of a small detector's time. Long runs sleep, so that a core is not lost to each of them.
  const auto end = Clock::now() + std::chrono::microseconds(spinUs_);
  do {
    if (isDone()) return;
    std::this_thread::yield();
  } while (Clock::now() < end);
  if (done_ == nullptr) {
    cuda().check(cuda().streamSynchronize(stream()), "cuStreamSynchronize");
    return;
  }
  cuda().check(driver.eventRecord(done_, stream()), "cuEventRecord");
  cuda().check(driver.eventSynchronize(done_), "cuEventSynchronize");
}

void Lane::requireHealth() const { cuda().check(cuda().streamSynchronize(stream()), "cuStreamSynchronize"); }

void Lane::settle() const noexcept { cuda().streamSynchronize(stream()); }

void Lane::renewAfterCapture() {
  const int result = driver.streamQuery(stream());
  if (result >= CAPTURE_FIRST && result <= CAPTURE_LAST) stream_ = std::make_unique<Stream>(device);
}

HostBuffer::~HostBuffer() {
  if (data_ == nullptr) return;
  makeCurrentQuietly(lane_.device);
  lane_.driver.memFreeHost(data_);
}

void HostBuffer::reserve(uint64_t needed) {
  if (needed <= bytes_) return;
  int result = 0;
  for (const uint64_t size : sizesFor(bytes_, needed)) {
    void* memory = nullptr;
    result = lane_.driver.memHostAlloc(&memory, size, 0);
    if (result != 0) continue;
    if (data_ != nullptr) lane_.driver.memFreeHost(data_);
    data_ = static_cast<unsigned char*>(memory);
    bytes_ = size;
    return;
  }
  lane_.cuda().check(result, "cuMemHostAlloc");
}

void DeviceBuffer::reserve(uint64_t needed) {
  if (needed <= bytes()) return;
  const std::vector<uint64_t> sizes = sizesFor(bytes(), needed);
  for (const uint64_t size : sizes) {
    try {
      memory_ = std::make_shared<Memory>(lane_.device, size);
      return;
    } catch (const Failure& failure) {
      if (failure.status != TRTD_OUT_OF_MEMORY || size == sizes.back()) throw;
    }
  }
}

Marks::~Marks() {
  if (events_.empty()) return;
  makeCurrentQuietly(lane_.device);
  for (void* const event : events_) lane_.driver.eventDestroy(event);
}

void Marks::begin(size_t count) {
  next_ = 0;
  if (!lane_.driver.hasEvents()) {
    clock_.resize(std::max(clock_.size(), count));
    return;
  }
  while (events_.size() < count) {
    void* event = nullptr;
    lane_.cuda().check(lane_.driver.eventCreate(&event, EVENT_DEFAULT), "cuEventCreate");
    events_.push_back(event);
  }
}

void Marks::mark() {
  if (lane_.driver.hasEvents()) {
    lane_.cuda().check(lane_.driver.eventRecord(events_[next_++], lane_.stream()), "cuEventRecord");
    return;
  }
  lane_.wait();
  clock_[next_++] = millisecondsNow();
}

void Marks::markCaptured() {
  lane_.cuda().check(lane_.driver.eventRecordWithFlags(events_[next_++], lane_.stream(), EVENT_RECORD_EXTERNAL),
                     "cuEventRecordWithFlags");
}

double Marks::between(size_t from, size_t to) const {
  if (!lane_.driver.hasEvents()) return clock_[to] - clock_[from];
  float elapsed = 0;
  lane_.cuda().check(lane_.driver.eventElapsedTime(&elapsed, events_[from], events_[to]), "cuEventElapsedTime");
  return static_cast<double>(elapsed);
}

Graph::~Graph() {
  makeCurrentQuietly(lane_.device);
  lane_.driver.graphExecDestroy(executable_);
}

Replay::Replay(Lane& lane, bool wanted) : lane_(lane), wanted_(wanted) {
  if (wanted_ && !lane_.driver.hasGraphs()) refuse("The CUDA driver has no graphs");
}

std::string Replay::beginCapture() const {
  const int result = lane_.driver.streamBeginCapture(lane_.stream(), CAPTURE_MODE_THREAD_LOCAL);
  return result == 0 ? "" : "cuStreamBeginCapture failed with " + std::to_string(result);
}

std::string Replay::endCapture(uint64_t key, std::string problem) {
  const AsyncDriver& driver = lane_.driver;
  void* graph = nullptr;
  const int ended = driver.streamEndCapture(lane_.stream(), &graph);
  if (problem.empty() && (ended != 0 || graph == nullptr)) {
    problem = "cuStreamEndCapture failed with " + std::to_string(ended);
  }
  void* executable = nullptr;
  if (problem.empty()) {
    const int made = driver.graphInstantiateWithFlags != nullptr
                         ? driver.graphInstantiateWithFlags(&executable, graph, 0)
                         : driver.graphInstantiate(&executable, graph, nullptr, nullptr, 0);
    if (made != 0) problem = "cuGraphInstantiate failed with " + std::to_string(made);
  }
  if (graph != nullptr) driver.graphDestroy(graph);
  if (problem.empty()) {
    graphs_[key] = std::make_unique<Graph>(lane_, executable);
    count_.store(static_cast<int32_t>(graphs_.size()));
    // Saves the first launch the transfer; it launches all the same when this fails.
    if (driver.graphUpload != nullptr) driver.graphUpload(executable, lane_.stream());
  } else {
    lane_.renewAfterCapture();
  }
  return problem;
}

bool Replay::launch(uint64_t key) {
  const auto found = graphs_.find(key);
  if (found == graphs_.end()) return false;
  const int result = found->second->launch();
  if (result == 0) return true;
  refuse("cuGraphLaunch failed with " + std::to_string(result));
  return false;
}

void Replay::forget() {
  graphs_.clear();
  count_.store(0);
}

std::string Replay::refusal() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return refusal_;
}

void Replay::refuse(std::string reason) {
  forget();
  std::lock_guard<std::mutex> lock(mutex_);
  refusal_ = std::move(reason);
}

}  // namespace trtd
