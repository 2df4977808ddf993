#include "log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <deque>
#include <mutex>

#include "base/errors.h"

namespace trtd {
namespace {

struct Sinks {
  std::mutex writing;  // guards the descriptor and the file
  int descriptor = -1;
  int32_t descriptorLimit = TRTD_SEVERITY_NONE;
  int file = -1;
  int32_t fileLimit = TRTD_SEVERITY_NONE;
  std::string filePath;
  uint64_t fileBytes = 0;
  uint64_t fileLimitBytes = 0;

  std::mutex ringing;  // guards the ring
  uint64_t ringCapacity = 0;
  int32_t ringLimit = TRTD_SEVERITY_NONE;
  std::deque<std::string> ring;
  uint64_t ringBytes = 0;
  uint64_t sequence = 0;
  uint64_t lost = 0;
};

Sinks& sinks() {
  static Sinks* const instance = new Sinks;
  return *instance;
}

uint64_t nowMicroseconds() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000u + static_cast<uint64_t>(now.tv_nsec) / 1000u;
}

const char* severityName(int32_t severity) {
  static const char* const names[] = {"FATAL", "ERROR", "WARN", "INFO", "VERBOSE"};
  return severity >= 0 && severity <= 4 ? names[severity] : "ERROR";
}

// False when the reader is gone.
bool writeAll(int descriptor, const char* data, size_t length) {
  while (length > 0) {
    const ssize_t written = write(descriptor, data, length);
    if (written > 0) {
      data += written;
      length -= static_cast<size_t>(written);
    } else if (written < 0 && errno == EAGAIN) {
      pollfd wait{descriptor, POLLOUT, 0};
      poll(&wait, 1, 1000);
    } else if (!(written < 0 && errno == EINTR)) {
      return false;
    }
  }
  return true;
}

std::string formatLine(uint64_t time, int32_t severity, const char* source, const char* text) {
  const time_t seconds = static_cast<time_t>(time / 1000000u);
  tm utc{};
  gmtime_r(&seconds, &utc);
  char stamp[64];
  snprintf(stamp, sizeof stamp, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ ", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
           utc.tm_hour, utc.tm_min, utc.tm_sec, static_cast<int>(time % 1000000u));
  std::string line = stamp;
  line.append(severityName(severity)).append(" ").append(source).append(": ");
  size_t length = std::strlen(text);
  while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r')) --length;
  for (size_t i = 0; i < length; ++i) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (c == '\n') {
      line += "\n\t";
    } else if ((c < 0x20 && c != '\t') || c == 0x7F) {
      line += '?';
    } else {
      line += text[i];
    }
  }
  line += '\n';
  return line;
}

int openLogFile(const std::string& path, int mode) {
  return open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | mode, 0644);
}

void rotate(Sinks& s) {
  close(s.file);
  rename(s.filePath.c_str(), (s.filePath + ".1").c_str());
  s.file = openLogFile(s.filePath, O_TRUNC);
  s.fileBytes = 0;
}

void writeSinks(int32_t severity, const std::string& line) {
  Sinks& s = sinks();
  std::lock_guard<std::mutex> lock(s.writing);
  if (s.descriptor >= 0 && severity <= s.descriptorLimit && !writeAll(s.descriptor, line.data(), line.size())) {
    s.descriptor = -1;
  }
  if (s.file >= 0 && severity <= s.fileLimit) {
    if (s.fileLimitBytes > 0 && s.fileBytes > 0 && s.fileBytes + line.size() > s.fileLimitBytes) rotate(s);
    if (s.file >= 0 && writeAll(s.file, line.data(), line.size())) s.fileBytes += line.size();
  }
}

void writeRing(uint64_t time, const Event& event) {
  Sinks& s = sinks();
  std::lock_guard<std::mutex> lock(s.ringing);
  if (s.ringCapacity == 0) return;
  if (event.kind == TRTD_EVENT_LOG && event.severity > s.ringLimit) return;
  trtd_event header{};
  const size_t textLength = std::strlen(event.text);
  const size_t detailLength = std::strlen(event.detail);
  const size_t size = (sizeof header + textLength + detailLength + 7u) & ~size_t{7};
  header.size = static_cast<uint32_t>(size);
  header.kind = event.kind;
  header.severity = event.severity;
  header.step = event.step;
  header.total = event.total;
  header.text_length = static_cast<uint32_t>(textLength);
  header.detail_length = static_cast<uint32_t>(detailLength);
  header.time_us = time;
  header.sequence = ++s.sequence;
  if (size > s.ringCapacity) {
    ++s.lost;
    return;
  }
  while (s.ringBytes + size > s.ringCapacity) {
    s.ringBytes -= s.ring.front().size();
    s.ring.pop_front();
    ++s.lost;
  }
  std::string record(size, '\0');
  std::memcpy(&record[0], &header, sizeof header);
  std::memcpy(&record[sizeof header], event.text, textLength);
  std::memcpy(&record[sizeof header + textLength], event.detail, detailLength);
  s.ring.push_back(std::move(record));
  s.ringBytes += size;
}

void requireSeverity(int32_t severity) {
  require(severity >= TRTD_SEVERITY_NONE && severity <= TRTD_SEVERITY_VERBOSE, "\"severity\" must be -1 to 4");
}

}  // namespace

void logLine(int32_t severity, const char* source, const char* text) noexcept {
  try {
    const uint64_t time = nowMicroseconds();
    if (text == nullptr) text = "";
    writeSinks(severity, formatLine(time, severity, source, text));
    writeRing(time, Event{TRTD_EVENT_LOG, severity, 0, 0, text, source});
  } catch (...) {
    // Out of memory: the sinks may have missed this line, TensorRT goes on.
  }
}

void logProgress(const Event& event) noexcept {
  try {
    writeRing(nowMicroseconds(), event);
  } catch (...) {
  }
}

}  // namespace trtd

using namespace trtd;

extern "C" {

int32_t trtd_log_to_descriptor(int32_t descriptor, int32_t severity, trtd_error* error) {
  return guard(error, [&] {
    requireSeverity(severity);
    if (descriptor >= 0 && fcntl(descriptor, F_GETFD) < 0) {
      failSystem(TRTD_IO_ERROR, "Descriptor " + std::to_string(descriptor) + " is not open", errno);
    }
    std::lock_guard<std::mutex> lock(sinks().writing);
    sinks().descriptor = descriptor < 0 ? -1 : descriptor;
    sinks().descriptorLimit = severity;
  });
}

int32_t trtd_log_to_file(const char* path, int32_t severity, uint64_t limit_bytes, trtd_error* error) {
  return guard(error, [&] {
    requireSeverity(severity);
    int file = -1;
    struct stat facts {};
    if (path != nullptr) {
      file = openLogFile(path, O_APPEND);
      if (file < 0) failSystem(TRTD_IO_ERROR, std::string("The log file \"") + path + "\" cannot be opened", errno);
      fstat(file, &facts);
    }
    Sinks& s = sinks();
    std::lock_guard<std::mutex> lock(s.writing);
    if (s.file >= 0) close(s.file);
    s.file = file;
    s.filePath = path != nullptr ? path : "";
    s.fileLimit = severity;
    s.fileBytes = static_cast<uint64_t>(facts.st_size);
    s.fileLimitBytes = limit_bytes;
  });
}

int32_t trtd_log_to_ring(uint64_t capacity, int32_t severity, trtd_error* error) {
  return guard(error, [&] {
    requireSeverity(severity);
    Sinks& s = sinks();
    std::lock_guard<std::mutex> lock(s.ringing);
    s.ring.clear();
    s.ringBytes = 0;
    s.lost = 0;
    s.ringCapacity = capacity;
    s.ringLimit = severity;
  });
}

int32_t trtd_log_drain(uint8_t* records, uint64_t capacity, uint64_t* length, uint64_t* lost, trtd_error* error) {
  return guard(error, [&] {
    require(records != nullptr && length != nullptr && lost != nullptr,
            "\"records\", \"length\" and \"lost\" must not be NULL");
    Sinks& s = sinks();
    std::lock_guard<std::mutex> lock(s.ringing);
    uint64_t used = 0;
    while (!s.ring.empty() && used + s.ring.front().size() <= capacity) {
      const std::string& record = s.ring.front();
      std::memcpy(records + used, record.data(), record.size());
      used += record.size();
      s.ringBytes -= record.size();
      s.ring.pop_front();
    }
    *length = used;
    if (used == 0 && !s.ring.empty()) {
      fail(TRTD_BUFFER_TOO_SMALL, "The first record has " + std::to_string(s.ring.front().size()) +
                                      " bytes, the buffer " + std::to_string(capacity));
    }
    *lost = s.lost;
    s.lost = 0;
  });
}

int32_t trtd_log_write(int32_t severity, const char* source, const char* text, trtd_error* error) {
  return guard(error, [&] {
    require(severity >= TRTD_SEVERITY_INTERNAL_ERROR && severity <= TRTD_SEVERITY_VERBOSE,
            "\"severity\" must be 0 to 4");
    require(source != nullptr && text != nullptr, "\"source\" and \"text\" must not be NULL");
    require(*source != 0 && std::strpbrk(source, " :\t\n") == nullptr, "\"source\" must be a word without a colon");
    logLine(severity, source, text);
  });
}
}
