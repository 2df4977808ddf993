// The loggers that TensorRT is given: one for each library, alive as long as the process.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "tensorrt/abi.h"

namespace trtd {

// Takes the lines of one library and remembers its last errors.
class LibraryLog {
 public:
  explicit LibraryLog(std::string source) : source_(std::move(source)) {}

  void line(int32_t severity, const char* text) noexcept;
  const char* source() const { return source_.c_str(); }

  // Number of errors logged so far.
  uint64_t errors() const { return errors_.load(); }
  // The first error after the first `seen` ones that is still remembered; empty when there is none.
  std::string errorAfter(uint64_t seen) const;

 private:
  static constexpr size_t REMEMBERED = 64;

  const std::string source_;
  std::atomic<uint64_t> errors_{0};
  mutable std::mutex mutex_;
  std::deque<std::pair<uint64_t, std::string>> last_;
};

// An ILogger of the family's layout that feeds `log`; never freed.
void* newLogger(const Family& family, LibraryLog& log);

// "Error Code N" of a logged line, 0 when it has none.
int32_t errorCodeIn(const std::string& line);

// The errors that a library logs during one call.
class Burst {
 public:
  explicit Burst(const LibraryLog& log) : log_(log), seen_(log.errors()) {}
  bool any() const { return log_.errors() > seen_; }
  std::string first() const { return log_.errorAfter(seen_); }
  // `what` happened, followed by the first error of the burst when there is one.
  [[noreturn]] void fail(int32_t status, const std::string& what) const;

 private:
  const LibraryLog& log_;
  const uint64_t seen_;
};

// An IProgressMonitor that feeds the ring.
class ProgressMonitor {
 public:
  explicit ProgressMonitor(Monitor layout);
  ~ProgressMonitor();
  ProgressMonitor(const ProgressMonitor&) = delete;
  ProgressMonitor& operator=(const ProgressMonitor&) = delete;

  void* object() const { return object_; }
  void cancel() { cancelled_.store(true); }
  bool cancelled() const { return cancelled_.load(); }

  void phaseStart(const char* phase, const char* parent, int32_t steps) noexcept;
  bool stepComplete(const char* phase, int32_t step) noexcept;
  void phaseFinish(const char* phase) noexcept;

 private:
  const Monitor layout_;
  std::atomic<bool> cancelled_{false};
  void* object_;
};

}  // namespace trtd
