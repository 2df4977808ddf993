// A TensorRT core library with its parser and plugins.
#pragma once

#include <memory>
#include <string>

#include "abi.h"
#include "base/handles.h"
#include "log/logger.h"

namespace trtd {

struct Library final : Object {
  static constexpr Kind KIND = Kind::library;
  explicit Library(void* coreLibrary, std::string path, bool force);

  const Family& row() const { return familyRow(identity.family); }
  // Slot of a method; TRTD_UNSUPPORTED naming it where this version has none.
  int slot(Method method) const;
  bool has(Method method) const { return slotOf(identity.family, identity.version, method) >= 0; }
  std::string name() const { return productText(identity); }

  // Calls a method of the implementation behind `object`.
  template <class Result, class... Arguments>
  Result call(void* object, Method method, Arguments... arguments) const {
    return callSlot<Result>(implementation(object), slot(method), arguments...);
  }
  // Calls a method of an object that has no implementation pointer.
  template <class Result, class... Arguments>
  Result callDirect(void* object, Method method, Arguments... arguments) const {
    return callSlot<Result>(object, slot(method), arguments...);
  }
  // Calls a method that returns Dims.
  template <class... Arguments>
  trtd_dims callDims(void* object, Method method, Arguments... arguments) const {
    if (row().wideDims) return dimsFrom(call<Dims64>(object, method, arguments...));
    return dimsFrom(call<Dims32>(object, method, arguments...));
  }
  static trtd_dims dimsFrom(const Dims32& dims);
  static trtd_dims dimsFrom(const Dims64& dims);

  void* const core;
  const std::string corePath;
  Identity identity{};
  int32_t kind = TRTD_LIBRARY_FULL;
  int32_t build = 0;
  int32_t rawVersion = 0;
  std::unique_ptr<LibraryLog> log;
  void* logger = nullptr;

  void* (*createBuilder)(void* logger, int32_t version) = nullptr;
  void* (*createRuntime)(void* logger, int32_t version) = nullptr;
  void* (*createParser)(void* network, void* logger, int version) = nullptr;
  void* (*pluginRegistry)() = nullptr;

  void* parser = nullptr;
  std::string parserPath;
  int32_t parserVersion = 0;
  void* plugins = nullptr;
  std::string pluginsPath;
};

// An object of TensorRT, deleted with the last of its users.
class Native {
 public:
  Native() = default;
  explicit Native(void* object) : object_(object) {}
  ~Native() { reset(); }
  Native(const Native&) = delete;
  Native& operator=(const Native&) = delete;
  void reset(void* object = nullptr) {
    if (object_ != nullptr) deleteObject(object_);
    object_ = object;
  }
  void* get() const { return object_; }

 private:
  void* object_ = nullptr;
};

// What a creating call returned, checked: null, near-null, or made while an error was logged.
// A result that came with an error is deleted by `burst` time only when it is a real object.
void* checkedResult(void* result, const Burst& burst, int32_t status, const std::string& call);

// Waits for the driver to start unless the family needs none or the caller said not to ask.
void requireDriver(const Library& library, int32_t flags);

}  // namespace trtd
