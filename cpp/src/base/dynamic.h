// Symbols of libraries that are opened at run time.
#pragma once

#include <dlfcn.h>

#include <cstring>
#include <string>

namespace trtd {

// Puts a function of `library`, whose type is that of `target`, into `target`; false when there is none.
template <class Function>
bool load(void* library, const char* symbol, Function& target) {
  void* const address = dlsym(library, symbol);
  static_assert(sizeof target == sizeof address, "function pointers are plain");
  std::memcpy(&target, &address, sizeof address);
  return address != nullptr;
}

// What the dynamic loader says about its last failure.
inline std::string loaderMessage() {
  const char* const text = dlerror();
  return text != nullptr ? text : "unknown error of the dynamic loader";
}

}  // namespace trtd
