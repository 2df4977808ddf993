// What every fake library shares: the journal of calls, the script of behaviours, the trap for wrong slots.
//
// TRTD_FAKE holds words such as "parse=error build=null flood=1000": what the next calls do. TRTD_FAKE_GPUS names the
// devices of the fake driver, "NAME:MAJOR.MINOR:MEGABYTES" separated by ";", empty for none.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

extern "C" {
// In the core library of each set; parser and plugins use the same.
__attribute__((visibility("default"))) void fake_record(char const* line);
// Copies the journal, newest last, one call a line; returns its length and forgets it when it fitted.
__attribute__((visibility("default"))) uint64_t fake_journal_take(char* text, uint64_t capacity);
}

namespace fake {

// The value behind NAME= in TRTD_FAKE, empty when it is not there.
inline std::string script(std::string const& name) {
  char const* const words = getenv("TRTD_FAKE");
  std::string const text = " " + std::string(words != nullptr ? words : "") + " ";
  size_t const at = text.find(" " + name + "=");
  if (at == std::string::npos) return {};
  size_t const begin = at + name.size() + 2;
  return text.substr(begin, text.find(' ', begin) - begin);
}

// Major compute capability of the first fake device, 0 without one.
inline int computeMajor() {
  char const* const gpus = getenv("TRTD_FAKE_GPUS");
  char const* const colon = gpus != nullptr ? strchr(gpus, ':') : nullptr;
  return colon != nullptr ? atoi(colon + 1) : 0;
}

inline void record(std::string const& line) { fake_record(line.c_str()); }

inline uint64_t trap(char const* name) {
  record(std::string("WRONG SLOT ") + name);
  return 0;
}

}  // namespace fake

// TRAPS(a, b, c): virtual functions that nobody should call.
#define TRAP(name) \
  virtual uint64_t name() noexcept { return fake::trap(#name); }
#define EACH_1(a) TRAP(a)
#define EACH_2(a, ...) TRAP(a) EACH_1(__VA_ARGS__)
#define EACH_3(a, ...) TRAP(a) EACH_2(__VA_ARGS__)
#define EACH_4(a, ...) TRAP(a) EACH_3(__VA_ARGS__)
#define EACH_5(a, ...) TRAP(a) EACH_4(__VA_ARGS__)
#define EACH_6(a, ...) TRAP(a) EACH_5(__VA_ARGS__)
#define EACH_7(a, ...) TRAP(a) EACH_6(__VA_ARGS__)
#define EACH_8(a, ...) TRAP(a) EACH_7(__VA_ARGS__)
#define EACH_9(a, ...) TRAP(a) EACH_8(__VA_ARGS__)
#define EACH_10(a, ...) TRAP(a) EACH_9(__VA_ARGS__)
#define EACH_11(a, ...) TRAP(a) EACH_10(__VA_ARGS__)
#define EACH_12(a, ...) TRAP(a) EACH_11(__VA_ARGS__)
#define EACH_13(a, ...) TRAP(a) EACH_12(__VA_ARGS__)
#define EACH_14(a, ...) TRAP(a) EACH_13(__VA_ARGS__)
#define EACH_15(a, ...) TRAP(a) EACH_14(__VA_ARGS__)
#define EACH_16(a, ...) TRAP(a) EACH_15(__VA_ARGS__)
#define EACH_17(a, ...) TRAP(a) EACH_16(__VA_ARGS__)
#define EACH_18(a, ...) TRAP(a) EACH_17(__VA_ARGS__)
#define EACH_19(a, ...) TRAP(a) EACH_18(__VA_ARGS__)
#define EACH_20(a, ...) TRAP(a) EACH_19(__VA_ARGS__)
#define EACH_21(a, ...) TRAP(a) EACH_20(__VA_ARGS__)
#define EACH_22(a, ...) TRAP(a) EACH_21(__VA_ARGS__)
#define EACH_23(a, ...) TRAP(a) EACH_22(__VA_ARGS__)
#define EACH_24(a, ...) TRAP(a) EACH_23(__VA_ARGS__)
#define PICK_25(_1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, _13, _14, _15, _16, _17, _18, _19, _20, _21, _22, \
                _23, _24, name, ...)                                                                                \
  name
#define TRAPS(...)                                                                                                    \
  PICK_25(__VA_ARGS__, EACH_24, EACH_23, EACH_22, EACH_21, EACH_20, EACH_19, EACH_18, EACH_17, EACH_16, EACH_15,     \
          EACH_14, EACH_13, EACH_12, EACH_11, EACH_10, EACH_9, EACH_8, EACH_7, EACH_6, EACH_5, EACH_4, EACH_3, EACH_2, \
          EACH_1, unused)                                                                                             \
  (__VA_ARGS__)
