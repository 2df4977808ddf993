// A fake CUDA driver: device memory is host memory.
#include "cuda_fake.h"

namespace {

struct Gpu {
  std::string name;
  int major;
  int minor;
  size_t bytes;
};

std::vector<Gpu> gpus() {
  char const* const list = getenv("TRTD_FAKE_GPUS");
  std::vector<Gpu> found;
  std::string rest = list != nullptr ? list : "";
  while (!rest.empty()) {
    size_t const end = rest.find(';');
    std::string const entry = rest.substr(0, end);
    rest = end == std::string::npos ? "" : rest.substr(end + 1);
    size_t const first = entry.find(':');
    size_t const second = entry.find(':', first + 1);
    size_t const dot = entry.find('.', first);
    found.push_back({entry.substr(0, first), atoi(entry.c_str() + first + 1), atoi(entry.c_str() + dot + 1),
                     static_cast<size_t>(atoll(entry.c_str() + second + 1)) << 20});
  }
  return found;
}

using fake::contexts;
using fake::currentContext;
using fake::wish;

}  // namespace

EXPORT bool fake_meant() { return fake::meant(); }

EXPORT int fake_retained(int device) { return contexts[device]; }

EXPORT int cuInit(unsigned) {
  if (wish("cuda-init") != 0) return wish("cuda-init");
  return gpus().empty() ? 100 : 0;
}
EXPORT int cuDriverGetVersion(int* version) { return *version = 13000, 0; }
EXPORT int cuGetErrorName(int error, char const** name) {
  *name = error == 100 ? "CUDA_ERROR_NO_DEVICE" : error == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : nullptr;
  return *name != nullptr ? 0 : 1;
}
EXPORT int cuGetErrorString(int error, char const** text) {
  *text = error == 100 ? "no CUDA-capable device is detected" : error == 2 ? "out of memory" : nullptr;
  return *text != nullptr ? 0 : 1;
}
EXPORT int cuDeviceGetCount(int* count) { return *count = static_cast<int>(gpus().size()), 0; }
EXPORT int cuDeviceGet(int* device, int index) { return *device = index, 0; }
EXPORT int cuDeviceGetName(char* name, int capacity, int device) {
  snprintf(name, static_cast<size_t>(capacity), "%s", gpus()[static_cast<size_t>(device)].name.c_str());
  return 0;
}
EXPORT int cuDeviceGetUuid(void* uuid, int device) { return memset(uuid, 0x10 + device, 16), 0; }
EXPORT int cuDeviceGetUuid_v2(void* uuid, int device) { return memset(uuid, 0xA0 + device, 16), 0; }
EXPORT int cuDeviceGetAttribute(int* value, int attribute, int device) {
  Gpu const gpu = gpus()[static_cast<size_t>(device)];
  switch (attribute) {
    case 16: *value = 24; return 0;
    case 18: *value = gpu.name.find("Orin") != std::string::npos ? 1 : 0; return 0;
    case 75: *value = gpu.major; return 0;
    case 76: *value = gpu.minor; return 0;
    default: return 1;
  }
}
EXPORT int cuDeviceTotalMem_v2(size_t* bytes, int device) { return *bytes = gpus()[static_cast<size_t>(device)].bytes, 0; }
EXPORT int cuDeviceGetPCIBusId(char* text, int capacity, int device) {
  snprintf(text, static_cast<size_t>(capacity), "0000:%02X:00.0", 0x65 + device);
  return 0;
}
EXPORT int cuDevicePrimaryCtxRetain(void** context, int device) {
  ++contexts[device];
  *context = &contexts[device];
  return 0;
}
EXPORT int cuDevicePrimaryCtxRelease_v2(int device) { return --contexts[device], 0; }
EXPORT int cuCtxSetCurrent(void* context) { return currentContext = context, static_cast<int>(fake::fault); }
EXPORT int cuCtxGetCurrent(void** context) { return *context = currentContext, static_cast<int>(fake::fault); }
EXPORT int cuMemGetInfo_v2(size_t* free, size_t* total) {
  if (int const bad = fake::enter()) return bad;
  if (currentContext == nullptr) return fake::INVALID_CONTEXT;
  *total = gpus()[static_cast<size_t>(fake::device())].bytes;
  *free = *total / 2;
  return 0;
}
EXPORT int cuMemAlloc_v2(uint64_t* address, size_t bytes) {
  if (int const bad = fake::enter()) return bad;
  if (currentContext == nullptr) return fake::INVALID_CONTEXT;
  if (fake::capture != nullptr) {
    fake::capture->invalidated = true;
    return fake::CAPTURE_UNSUPPORTED;
  }
  if (int const bad = fake::allocationWish(bytes)) return fake::give(bad);
  *address = reinterpret_cast<uint64_t>(malloc(bytes));
  if (*address == 0) return fake::OUT_OF_MEMORY;
  ++fake::counts.allocations;
  ++fake::counts.liveMemory;
  return 0;
}
EXPORT int cuMemFree_v2(uint64_t address) {
  fake::finishAll();
  free(reinterpret_cast<void*>(address));
  --fake::counts.liveMemory;
  return fake::fault;
}
EXPORT int cuMemcpyHtoD_v2(uint64_t to, void const* from, size_t bytes) {
  if (int const bad = fake::enter()) return bad;
  return memcpy(reinterpret_cast<void*>(to), from, bytes), 0;
}
EXPORT int cuMemcpyDtoH_v2(void* to, uint64_t from, size_t bytes) {
  if (int const bad = fake::enter()) return bad;
  return memcpy(to, reinterpret_cast<void*>(from), bytes), 0;
}
