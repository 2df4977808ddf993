// A stream with what a run needs around it: pinned and device memory that grows, events, waiting, graphs.
#pragma once

#include <atomic>
#include <map>
#include <vector>

#include "cuda/cuda.h"

namespace trtd {

// async.inc lists the entry points.
struct AsyncDriver {
#define REQUIRED(member, symbol, older, parameters) int (*member) parameters = nullptr;
#define OPTIONAL REQUIRED
#include "async.inc"
#undef OPTIONAL
#undef REQUIRED
  explicit AsyncDriver(const Cuda& cuda);
  bool hasEvents() const;
  bool hasGraphs() const;
  // Events that a graph records whenever it is launched: CUDA 11.1.
  bool hasOuterEvents() const { return hasEvents() && eventRecordWithFlags != nullptr; }
};

class Lane {
 public:
  // `spinUs`: microseconds of asking before the thread sleeps.
  Lane(std::shared_ptr<Device> owner, int32_t spinUs);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  CudaStream stream() const { return stream_->stream; }
  const Cuda& cuda() const { return *device->cuda; }
  void upload(CudaAddress to, const void* pinned, uint64_t bytes) const;
  void download(void* pinned, CudaAddress from, uint64_t bytes) const;
  void clear(CudaAddress to, uint64_t bytes) const;
  // Whether all work is done; a fault of it is thrown.
  bool isDone() const;
  // Waits for all work; a fault of it is thrown.
  void wait() const;
  // Waits, and throws what is wrong with the device; after a failure elsewhere whose cause it may be.
  void requireHealth() const;
  // Waits for all work after a failure, whatever comes of it.
  void settle() const noexcept;
  // Another stream when this one does not recover from a capture that failed.
  void renewAfterCapture();

  const std::shared_ptr<Device> device;
  const AsyncDriver driver;

 private:
  std::unique_ptr<Stream> stream_;
  const int32_t spinUs_;
  void* done_ = nullptr;  // an event that lets the waiting thread sleep; null without events
};

// Host memory that the GPU copies from and to, at least as large as it was ever asked to be.
class HostBuffer {
 public:
  explicit HostBuffer(const Lane& lane) : lane_(lane) {}
  ~HostBuffer();
  HostBuffer(const HostBuffer&) = delete;
  HostBuffer& operator=(const HostBuffer&) = delete;
  // The stream must be idle. On failure everything stays.
  void reserve(uint64_t bytes);
  unsigned char* data() const { return data_; }
  uint64_t bytes() const { return bytes_; }

 private:
  const Lane& lane_;
  unsigned char* data_ = nullptr;
  uint64_t bytes_ = 0;
};

// The same on the device.
class DeviceBuffer {
 public:
  explicit DeviceBuffer(const Lane& lane) : lane_(lane) {}
  void reserve(uint64_t bytes);
  CudaAddress address() const { return memory_ ? memory_->address : 0; }
  uint64_t bytes() const { return memory_ ? memory_->bytes : 0; }

 private:
  const Lane& lane_;
  std::shared_ptr<Memory> memory_;
};

// Times on the GPU: mark() puts marks into the stream, between() reads them once it is idle. Without events each mark
// waits and takes the host's clock.
class Marks {
 public:
  explicit Marks(const Lane& lane) : lane_(lane) {}
  ~Marks();
  Marks(const Marks&) = delete;
  Marks& operator=(const Marks&) = delete;
  // Makes room for `count` marks and forgets those that were set.
  void begin(size_t count);
  void mark();
  // mark() in a capture: set anew by each launch of the graph. The graph goes before the marks.
  void markCaptured();
  // Milliseconds between two marks.
  double between(size_t from, size_t to) const;

 private:
  const Lane& lane_;
  std::vector<void*> events_;
  std::vector<double> clock_;
  size_t next_ = 0;
};

// Work of a stream, ready to be launched as a whole.
class Graph {
 public:
  Graph(const Lane& lane, void* executable) : lane_(lane), executable_(executable) {}
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  // A CUresult.
  int launch() const { return lane_.driver.graphLaunch(executable_, lane_.stream()); }

 private:
  const Lane& lane_;
  void* const executable_;
};

// Runs work plainly the first time and as a graph from then on, for each key, where that can be done.
class Replay {
 public:
  Replay(Lane& lane, bool wanted);

  // Enqueues the work of `key` and waits for it. `work` puts it into the stream.
  template <class Work>
  void run(uint64_t key, Work&& work) {
    if (!launch(key)) {
      work();
      lane_.wait();
      if (wanted_ && refusal().empty()) capture(key, work);
      return;
    }
    lane_.wait();
  }
  // Captures the work of `key`, which must have run; false when that is refused.
  template <class Work>
  bool capture(uint64_t key, Work&& work) {
    std::string problem = beginCapture();
    if (problem.empty()) {
      try {
        work();
      } catch (const Failure& failure) {
        problem = failure.message;
      } catch (const std::exception& exception) {
        problem = exception.what();
      }
      problem = endCapture(key, std::move(problem));
    }
    if (!problem.empty()) refuse(std::move(problem));
    return problem.empty() && refusal().empty();
  }
  bool has(uint64_t key) const { return graphs_.count(key) != 0; }
  // Launches the graph of `key`; false when there is none, or no more.
  bool launch(uint64_t key);
  // The graphs are no longer true.
  void forget();

  int32_t graphs() const { return count_.load(); }
  std::string refusal() const;
  bool wanted() const { return wanted_; }

 private:
  std::string beginCapture() const;
  std::string endCapture(uint64_t key, std::string problem);
  void refuse(std::string reason);

  Lane& lane_;
  const bool wanted_;
  std::map<uint64_t, std::unique_ptr<Graph>> graphs_;
  std::atomic<int32_t> count_{0};
  mutable std::mutex mutex_;
  std::string refusal_;
};

}  // namespace trtd
