#include "logger.h"

#include <cstdlib>

#include "base/errors.h"
#include "log.h"

namespace trtd {
namespace {

// The order of the virtuals in this namespace is NVIDIA's, and part of the ABI.

struct InterfaceInfo {
  const char* kind;
  int32_t major;
  int32_t minor;
};
static_assert(sizeof(InterfaceInfo) == 16, "returned in two registers");

class PlainLogger {
 public:
  explicit PlainLogger(LibraryLog& log) : log_(log) {}
  virtual void log(int32_t severity, const char* text) noexcept { log_.line(severity, text); }
  virtual ~PlainLogger() = default;

 private:
  LibraryLog& log_;
};

class VersionedLogger {
 public:
  explicit VersionedLogger(LibraryLog& log) : log_(log) {}
  virtual int32_t getAPILanguage() const noexcept { return 0; }
  virtual InterfaceInfo getInterfaceInfo() const noexcept { return {"ILogger", 1, 0}; }
  virtual ~VersionedLogger() = default;
  virtual void log(int32_t severity, const char* text) noexcept { log_.line(severity, text); }

 private:
  LibraryLog& log_;
};

class PlainMonitor {
 public:
  explicit PlainMonitor(ProgressMonitor& monitor) : monitor_(monitor) {}
  virtual ~PlainMonitor() = default;
  virtual void phaseStart(const char* phase, const char* parent, int32_t steps) noexcept {
    monitor_.phaseStart(phase, parent, steps);
  }
  virtual bool stepComplete(const char* phase, int32_t step) noexcept { return monitor_.stepComplete(phase, step); }
  virtual void phaseFinish(const char* phase) noexcept { monitor_.phaseFinish(phase); }

 private:
  ProgressMonitor& monitor_;
};

class VersionedMonitor {
 public:
  explicit VersionedMonitor(ProgressMonitor& monitor) : monitor_(monitor) {}
  virtual int32_t getAPILanguage() const noexcept { return 0; }
  virtual InterfaceInfo getInterfaceInfo() const noexcept { return {"IProgressMonitor", 1, 0}; }
  virtual ~VersionedMonitor() = default;
  virtual void phaseStart(const char* phase, const char* parent, int32_t steps) noexcept {
    monitor_.phaseStart(phase, parent, steps);
  }
  virtual bool stepComplete(const char* phase, int32_t step) noexcept { return monitor_.stepComplete(phase, step); }
  virtual void phaseFinish(const char* phase) noexcept { monitor_.phaseFinish(phase); }

 private:
  ProgressMonitor& monitor_;
};

const char* orEmpty(const char* text) { return text != nullptr ? text : ""; }

}  // namespace

void LibraryLog::line(int32_t severity, const char* text) noexcept {
  logLine(severity, source_.c_str(), text);
  if (severity > TRTD_SEVERITY_ERROR) return;
  try {
    std::lock_guard<std::mutex> lock(mutex_);
    const uint64_t number = errors_.load() + 1;
    if (last_.size() == REMEMBERED) last_.pop_front();
    last_.emplace_back(number, orEmpty(text));
    errors_.store(number);
  } catch (...) {
    errors_.fetch_add(1);
  }
}

std::string LibraryLog::errorAfter(uint64_t seen) const {
  std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& entry : last_) {
    if (entry.first > seen) return entry.second;
  }
  return {};
}

void* newLogger(const Family& family, LibraryLog& log) {
  if (family.versionedLogger) return new VersionedLogger(log);
  return new PlainLogger(log);
}

int32_t errorCodeIn(const std::string& line) {
  static const char mark[] = "Error Code ";
  const size_t at = line.find(mark);
  return at == std::string::npos ? 0 : static_cast<int32_t>(std::strtol(line.c_str() + at + sizeof mark - 1, nullptr, 10));
}

void Burst::fail(int32_t status, const std::string& what) const {
  const std::string line = first();
  trtd::fail(status, line.empty() ? what : what + ": " + line, TRTD_ORIGIN_TENSORRT, errorCodeIn(line));
}

ProgressMonitor::ProgressMonitor(Monitor layout) : layout_(layout), object_(nullptr) {
  if (layout == Monitor::versioned) {
    object_ = new VersionedMonitor(*this);
  } else {
    object_ = new PlainMonitor(*this);
  }
}

ProgressMonitor::~ProgressMonitor() {
  if (layout_ == Monitor::versioned) {
    delete static_cast<VersionedMonitor*>(object_);
  } else {
    delete static_cast<PlainMonitor*>(object_);
  }
}

void ProgressMonitor::phaseStart(const char* phase, const char* parent, int32_t steps) noexcept {
  logProgress(Event{TRTD_EVENT_PHASE_START, TRTD_SEVERITY_INFO, 0, steps, orEmpty(phase), orEmpty(parent)});
}

bool ProgressMonitor::stepComplete(const char* phase, int32_t step) noexcept {
  logProgress(Event{TRTD_EVENT_PHASE_STEP, TRTD_SEVERITY_INFO, step, 0, orEmpty(phase), ""});
  return !cancelled_.load();
}

void ProgressMonitor::phaseFinish(const char* phase) noexcept {
  logProgress(Event{TRTD_EVENT_PHASE_FINISH, TRTD_SEVERITY_INFO, 0, 0, orEmpty(phase), ""});
}

}  // namespace trtd
