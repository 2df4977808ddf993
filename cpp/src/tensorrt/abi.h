// The families of TensorRT as data: slots, layouts, flags, versions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "trtd.h"

namespace trtd {

enum Method : int {
#define SLOT(name, ...) name,
#include "slots.inc"
#undef SLOT
  METHOD_COUNT
};

enum class Monitor : uint8_t { plain, versioned };

struct Family {
  const char* name;
  int32_t oldest;  // versions as in trtd.h
  int32_t newest;
  bool rtx;
  bool wideDims;                 // int64 dimensions, 72 bytes; else int32, 36 bytes
  bool profileDimsByValue;       // OptimizationProfile.setDimensions
  bool deserializeTakesFactory;  // Runtime.deserializeCudaEngine(blob, size, null)
  bool contextTakesStrategy;     // CudaEngine.createExecutionContext(int32)
  bool versionedLogger;          // ILogger begins with getAPILanguage, getInterfaceInfo
  Monitor monitor;               // IProgressMonitor, where setProgressMonitor exists
  int8_t explicitBatchBit;       // of createNetworkV2, -1: none needed
  int8_t stronglyTypedBit;       // -1: none; see alwaysStronglyTyped
  bool alwaysStronglyTyped;
  bool needsDriver;              // creating a builder or runtime starts CUDA
  int8_t pools;                  // number of memory pools
};

const Family& familyRow(int32_t family);

// Slot of a method for this version, -1 when there is none.
int slotOf(int32_t family, int32_t version, Method method);
const char* methodName(Method method);

// TensorRT's number of a trtd_flag, -1 when this version has none.
int flagNumber(int32_t family, int32_t version, int32_t flag);
const char* flagName(int32_t flag);
constexpr int32_t FLAG_COUNT = 23;

struct Identity {
  int32_t product;
  int32_t version;
  int32_t major;
  int32_t minor;
  int32_t patch;
  int32_t family;  // -1: unknown
  int32_t evidence;
  bool forced;
};

// What getInferLibVersion() means. With `force` a version newer than the table gets the nearest row. `runtime`: the library
// has no builder.
Identity identify(int32_t rawVersion, bool force, bool runtime);

// "8.5 to 11.x and TensorRT-RTX 1.3 to 1.7": for messages.
std::string knownVersions();
std::string versionText(int32_t version);
std::string productText(const Identity& identity);

// ---- calls

struct Dims32 {
  int32_t count;
  int32_t size[8];
};
struct Dims64 {
  int32_t count;
  int64_t size[8];
};
static_assert(sizeof(Dims32) == 36 && sizeof(Dims64) == 72 && offsetof(Dims64, size) == 8, "layout of Dims");

// The implementation object behind an interface object.
inline void* implementation(void* object) { return static_cast<void**>(object)[1]; }

template <class Result, class... Arguments>
Result callSlot(void* self, int slot, Arguments... arguments) {
  using Function = Result (*)(void*, Arguments...);
  void** const table = *static_cast<void***>(self);
  Function function;
  static_assert(sizeof function == sizeof table[0], "function pointers are plain");
  __builtin_memcpy(&function, &table[slot], sizeof function);
  return function(self, arguments...);
}

// The deleting destructor of every interface object but IParser.
inline void deleteObject(void* object) { callSlot<void>(object, 1); }

// No object lives in the first page: what points there is a null with an offset added.
inline bool isNull(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer) < 4096; }

}  // namespace trtd
