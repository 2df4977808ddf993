// What the parts of the fake CUDA driver share: faults, wishes, streams as queues.
//
// Work of a stream is kept in its queue and done when somebody waits for the stream or asks it: what reads memory too
// early or changes it too soon shows. Memory is freed when all queues are empty, as on a GPU.
//
// TRTD_FAKE words, each with a CUresult N (any number for the others):
//   cuda-init=N      cuInit                        cuda-sync=N         the end of the work of a stream
//   cuda-alloc=N     cuMemAlloc and cuMemHostAlloc cuda-fault=N        every call
//   cuda-oom=I       the I-th allocation from now on, 2 (out of memory)
//   cuda-oom-over=B  allocations of more than B bytes, 2
//   cuda-launch=N    cuLaunchKernel                cuda-copy=N         copies of a stream
//   cuda-begin=N     cuStreamBeginCapture          cuda-capture=N      cuStreamEndCapture
//   cuda-instantiate=N                             cuda-graph-launch=N cuGraphLaunch
//   cuda-slow=MS     work takes so long            cuda-module=N       cuModuleLoadDataEx
//   fault-device=I   only this device has the fault of cuda-fault, or of a run
// A code of the sticky ones (700 and its kind) stays: every later call for the same device gives it.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "support.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace fake {

constexpr int OUT_OF_MEMORY = 2;
constexpr int INVALID_VALUE = 1;
constexpr int INVALID_CONTEXT = 201;
constexpr int NOT_READY = 600;
constexpr int CAPTURE_UNSUPPORTED = 900;
constexpr int CAPTURE_INVALIDATED = 901;

using Work = std::function<int()>;

struct Stream {
  std::mutex mutex;
  std::deque<Work> queue;
  std::chrono::steady_clock::time_point due{};
  bool asked = false;  // since work was added
  bool capturing = false;
  bool invalidated = false;
  std::vector<Work> captured;
};

// Counted for tests, in the order of fake_cuda_counts().
struct Counts {
  std::atomic<uint64_t> allocations{0}, pinnedAllocations{0}, launches{0}, graphLaunches{0}, captures{0}, queries{0},
      sleeps{0}, liveMemory{0}, livePinned{0}, liveStreams{0}, liveEvents{0}, liveGraphs{0};
};

inline Counts counts;
constexpr int DEVICES_MAX = 16;
// The primary context of each device: how often it is retained.
inline std::atomic<int> contexts[DEVICES_MAX] = {};
inline thread_local void* currentContext = nullptr;

// The device whose context this thread has, 0 without one.
inline int device() {
  return currentContext == nullptr ? 0 : static_cast<int>(static_cast<std::atomic<int>*>(currentContext) - contexts);
}

// The sticky error of this thread's device, 0 when it is well.
struct Fault {
  std::atomic<int> of[DEVICES_MAX] = {};
  operator int() const { return of[device()]; }
  int operator=(int code) { return of[device()] = code; }
};
inline Fault fault;
// The stream that this thread captures, if any.
inline thread_local Stream* capture = nullptr;

inline int wish(char const* name) { return atoi(script(name).c_str()); }

inline bool sticky(int code) {
  for (int const known : {4, 214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 999}) {
    if (code == known) return true;
  }
  return false;
}

// A result that is given to the caller.
inline int give(int code) {
  if (sticky(code)) fault = code;
  return code;
}

// Whether faults are meant for this thread's device.
inline bool meant() {
  std::string const only = script("fault-device");
  return only.empty() || atoi(only.c_str()) == device();
}

// What every call begins with: 0 when the device is well.
inline int enter() {
  if (fault == 0 && meant() && wish("cuda-fault") != 0) fault = wish("cuda-fault");
  return fault;
}

// Whether this allocation is the one that is to fail.
int allocationWish(size_t bytes);

// Puts work into a stream, or into the graph that it captures.
int submit(void* stream, Work work);

// Does all work of all streams.
void finishAll();

bool isPinned(void const* memory, size_t bytes);

}  // namespace fake
