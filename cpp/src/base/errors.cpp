#include "errors.h"

#include <cstring>

namespace trtd {

void fail(int32_t status, std::string message, int32_t origin, int32_t code) {
  throw Failure{status, origin, code, std::move(message)};
}

void failSystem(int32_t status, const std::string& action, int error) {
  fail(status, action + ": " + std::strerror(error), TRTD_ORIGIN_SYSTEM, error);
}

void require(bool condition, const char* message) {
  if (!condition) fail(TRTD_INVALID_ARGUMENT, message);
}

int32_t report(trtd_error* error, const Failure& failure) noexcept {
  if (error != nullptr) {
    std::memset(error, 0, sizeof *error);
    error->status = failure.status;
    error->origin = failure.origin;
    error->code = failure.code;
    const size_t length = utf8Prefix(failure.message.data(), failure.message.size(), sizeof error->message - 1);
    std::memcpy(error->message, failure.message.data(), length);
    error->length = static_cast<uint32_t>(length);
  }
  return failure.status;
}

size_t utf8Prefix(const char* text, size_t length, size_t limit) {
  if (length <= limit) return length;
  size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0u) == 0x80u) --end;
  return end;
}

bool copyText(char* target, size_t capacity, const std::string& text) {
  if (capacity == 0) return false;
  const size_t length = utf8Prefix(text.data(), text.size(), capacity - 1);
  std::memcpy(target, text.data(), length);
  std::memset(target + length, 0, capacity - length);
  return length == text.size();
}

void giveText(const std::string& text, char* target, uint64_t capacity, uint64_t* length) {
  require(length != nullptr, "\"length\" must not be NULL");
  require(target != nullptr || capacity == 0, "\"text\" must not be NULL unless \"capacity\" is 0");
  *length = text.size();
  bool whole = false;
  if (capacity > 0) {
    const size_t fits = utf8Prefix(text.data(), text.size(), static_cast<size_t>(capacity) - 1);
    std::memcpy(target, text.data(), fits);
    target[fits] = 0;
    whole = fits == text.size();
  }
  if (!whole) {
    fail(TRTD_BUFFER_TOO_SMALL,
         "The text has " + std::to_string(text.size()) + " bytes, the buffer " + std::to_string(capacity));
  }
}

}  // namespace trtd
