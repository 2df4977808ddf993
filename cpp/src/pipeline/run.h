// What pipelines, runners and timings share.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "lane.h"
#include "tensorrt/runtime.h"

namespace trtd {

// Longest wait that is spent asking, in microseconds.
constexpr int32_t SPIN_US_MAX = 1000000;

// Refuses flags and waits that are out of range.
void checkRunOptions(int32_t flags, int32_t spinUs);

// Refuses a context whose runtime is on another device.
void requireSameDevice(const Context& context, const Device& device);

// Lines of a text, none for an empty one.
std::vector<std::string> linesOf(const char* text);

// Runs a step of a context; when TensorRT refuses it because the device is in error, says that instead.
template <class Step>
void explained(const Lane& lane, Step&& step) {
  try {
    step();
  } catch (const Failure& failure) {
    if (failure.status == TRTD_EXECUTION_FAILED) lane.requireHealth();
    throw;
  }
}

// What trtd_pipeline_facts() and trtd_runner_facts() tell, without the lock of the object.
class Holding {
 public:
  void set(uint64_t deviceBytes, uint64_t pinnedBytes, int32_t batch);
  void addRun() { ++runs_; }
  trtd_pipeline_info facts(const Replay& replay) const;

 private:
  std::atomic<uint64_t> deviceBytes_{0}, pinnedBytes_{0}, runs_{0};
  std::atomic<int32_t> batch_{0};
};

[[noreturn]] inline void invalid(std::string message) { fail(TRTD_INVALID_ARGUMENT, std::move(message)); }

}  // namespace trtd
