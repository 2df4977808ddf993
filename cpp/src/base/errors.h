// Failures inside the shim are exceptions; guard() turns them into a status and a record at the C boundary.
#pragma once

#include <cstdint>
#include <exception>
#include <new>
#include <string>

#include "trtd.h"

namespace trtd {

struct Failure {
  int32_t status;
  int32_t origin;
  int32_t code;
  std::string message;
};

[[noreturn]] void fail(int32_t status, std::string message, int32_t origin = TRTD_ORIGIN_SHIM, int32_t code = 0);
[[noreturn]] void failSystem(int32_t status, const std::string& action, int error);

// Refuses with the sentence when the condition is false.
void require(bool condition, const char* message);

int32_t report(trtd_error* error, const Failure& failure) noexcept;

template <class Body>
int32_t guard(trtd_error* error, Body&& body) noexcept {
  try {
    body();
    return TRTD_OK;
  } catch (const Failure& failure) {
    return report(error, failure);
  } catch (const std::bad_alloc&) {
    return report(error, Failure{TRTD_OUT_OF_MEMORY, TRTD_ORIGIN_SHIM, 0, "Host memory ran out"});
  } catch (const std::exception& exception) {
    return report(error, Failure{TRTD_INTERNAL, TRTD_ORIGIN_SHIM, 0, std::string("Exception: ") + exception.what()});
  } catch (...) {
    return report(error, Failure{TRTD_INTERNAL, TRTD_ORIGIN_SHIM, 0, "Exception of an unknown type"});
  }
}

// Length of the longest prefix of `text` that fits `limit` bytes and ends at a UTF-8 character.
size_t utf8Prefix(const char* text, size_t length, size_t limit);

// Cuts at a character and ends with NUL; returns false when it had to cut.
bool copyText(char* target, size_t capacity, const std::string& text);

// The text protocol of trtd.h.
void giveText(const std::string& text, char* target, uint64_t capacity, uint64_t* length);

}  // namespace trtd
