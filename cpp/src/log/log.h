// Where log lines and progress go: a descriptor, a file, a ring in memory.
#pragma once

#include <cstdint>
#include <string>

namespace trtd {

struct Event {
  int32_t kind;
  int32_t severity;
  int32_t step;
  int32_t total;
  const char* text;
  const char* detail;
};

// Both never throw, and return after the sinks have the record.
void logLine(int32_t severity, const char* source, const char* text) noexcept;
void logProgress(const Event& event) noexcept;

}  // namespace trtd
