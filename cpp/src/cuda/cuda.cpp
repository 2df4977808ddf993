#include "cuda.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <mutex>

#include "base/dynamic.h"

namespace trtd {
namespace {

constexpr int CUDA_ERROR_OUT_OF_MEMORY = 2;
constexpr int ATTRIBUTE_MULTIPROCESSORS = 16;
constexpr int ATTRIBUTE_INTEGRATED = 18;
constexpr int ATTRIBUTE_COMPUTE_MAJOR = 75;
constexpr int ATTRIBUTE_COMPUTE_MINOR = 76;
constexpr unsigned STREAM_NON_BLOCKING = 1;

struct Current {
  std::mutex mutex;
  std::shared_ptr<const Cuda> cuda;
};

Current& current() {
  static Current* const instance = new Current;
  return *instance;
}

template <class Function>
void loadEither(const Cuda& api, const char* symbol, const char* older, Function& target) {
  if (load(api.library, symbol, target)) return;
  if (older != nullptr && load(api.library, older, target)) return;
  fail(TRTD_SYMBOL_MISSING, "\"" + api.path + "\" has no " + symbol + ": it is no CUDA driver library or too old",
       TRTD_ORIGIN_SYSTEM);
}

std::shared_ptr<const Cuda> openCuda(const char* path) {
  static const char* const defaults[] = {"libcuda.so.1", "libcuda.so"};
  auto opened = std::make_shared<Cuda>();
  std::string tried;
  if (path != nullptr) {
    opened->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    opened->path = path;
    if (opened->library == nullptr) tried = loaderMessage();
  } else {
    for (const char* name : defaults) {
      opened->library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
      opened->path = name;
      if (opened->library != nullptr) break;
      tried += (tried.empty() ? "" : "; ") + loaderMessage();
    }
  }
  if (opened->library == nullptr) {
    fail(TRTD_NO_DRIVER, "The CUDA driver library cannot be opened: " + tried, TRTD_ORIGIN_SYSTEM);
  }
#define CUDA(member, symbol, older, parameters) loadEither(*opened, symbol, older, opened->member);
#include "cuda.inc"
#undef CUDA
  return opened;
}

std::shared_ptr<const Cuda> start(std::shared_ptr<const Cuda> api) {
  api->check(api->init(0), "cuInit");
  return api;
}

std::string releaseFromNvml() {
  void* const library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return {};
  int (*init)() = nullptr;
  int (*shutdown)() = nullptr;
  int (*version)(char*, unsigned) = nullptr;
  char text[80] = {};
  if (load(library, "nvmlInit_v2", init) && load(library, "nvmlShutdown", shutdown) &&
      load(library, "nvmlSystemGetDriverVersion", version) && init() == 0) {
    if (version(text, sizeof text) != 0) text[0] = 0;
    shutdown();
  }
  text[sizeof text - 1] = 0;
  return text;
}

// "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  ..." holds the release as the first word with a dot
// between digits.
std::string releaseFromProc() {
  const int file = open("/proc/driver/nvidia/version", O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  char text[512] = {};
  const ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  for (ssize_t i = 1; i + 1 < length; ++i) {
    const auto digit = [&](ssize_t at) { return text[at] >= '0' && text[at] <= '9'; };
    if (text[i] != '.' || !digit(i - 1) || !digit(i + 1)) continue;
    ssize_t begin = i;
    ssize_t end = i;
    while (begin > 0 && digit(begin - 1)) --begin;
    while (end < length && (digit(end) || text[end] == '.')) ++end;
    return std::string(text + begin, static_cast<size_t>(end - begin));
  }
  return {};
}

// Makes a device's primary context current for a moment.
class Visit {
 public:
  Visit(const Cuda& api, int device) : cuda_(api), device_(device) {
    cuda_.check(cuda_.ctxGetCurrent(&before_), "cuCtxGetCurrent");
    CudaContext context = nullptr;
    cuda_.check(cuda_.primaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain");
    const int result = cuda_.ctxSetCurrent(context);
    if (result != 0) {
      cuda_.primaryCtxRelease(device);
      cuda_.check(result, "cuCtxSetCurrent");
    }
  }
  ~Visit() {
    cuda_.ctxSetCurrent(before_);
    cuda_.primaryCtxRelease(device_);
  }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

 private:
  const Cuda& cuda_;
  const int device_;
  CudaContext before_ = nullptr;
};

int deviceAt(const Cuda& api, int32_t index) {
  int count = 0;
  api.check(api.deviceGetCount(&count), "cuDeviceGetCount");
  if (index < 0 || index >= count) {
    fail(TRTD_INVALID_ARGUMENT,
         "There is no CUDA device " + std::to_string(index) + ": the driver shows " + std::to_string(count));
  }
  int device = 0;
  api.check(api.deviceGet(&device, index), "cuDeviceGet");
  return device;
}

void checkRange(const Memory& memory, uint64_t offset, uint64_t bytes) {
  if (offset > memory.bytes || bytes > memory.bytes - offset) {
    fail(TRTD_INVALID_ARGUMENT, std::to_string(bytes) + " bytes at " + std::to_string(offset) +
                                    " go beyond the memory's " + std::to_string(memory.bytes));
  }
}

}  // namespace

void Cuda::check(int result, const char* function) const {
  if (result == 0) return;
  const char* name = nullptr;
  const char* text = nullptr;
  if (getErrorName != nullptr) getErrorName(result, &name);
  if (getErrorString != nullptr) getErrorString(result, &text);
  fail(result == CUDA_ERROR_OUT_OF_MEMORY ? TRTD_OUT_OF_MEMORY : TRTD_CUDA_ERROR,
       std::string(function) + " failed with " + (name != nullptr ? name : "an unknown error") + " (" +
           std::to_string(result) + ")" + (text != nullptr ? std::string(": ") + text : ""),
       TRTD_ORIGIN_CUDA, result);
}

std::shared_ptr<const Cuda> cuda() {
  std::lock_guard<std::mutex> lock(current().mutex);
  if (!current().cuda) current().cuda = openCuda(nullptr);
  return start(current().cuda);
}

Device::Device(std::shared_ptr<const Cuda> api, int32_t deviceIndex)
    : Object(KIND), cuda(std::move(api)), index(deviceIndex) {
  device = deviceAt(*cuda, index);
  cuda->check(cuda->primaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain");
}

Device::~Device() { cuda->primaryCtxRelease(device); }

void Device::makeCurrent() const { cuda->check(cuda->ctxSetCurrent(context), "cuCtxSetCurrent"); }

void makeCurrentQuietly(const std::shared_ptr<Device>& device) noexcept {
  if (device) device->cuda->ctxSetCurrent(device->context);
}

Memory::Memory(std::shared_ptr<Device> owner, uint64_t size) : Object(KIND), device(std::move(owner)), bytes(size) {
  device->makeCurrent();
  device->cuda->check(device->cuda->memAlloc(&address, bytes), "cuMemAlloc");
}

Memory::~Memory() {
  makeCurrentQuietly(device);
  device->cuda->memFree(address);
}

Stream::Stream(std::shared_ptr<Device> owner) : Object(KIND), device(std::move(owner)) {
  device->makeCurrent();
  device->cuda->check(device->cuda->streamCreate(&stream, STREAM_NON_BLOCKING), "cuStreamCreate");
}

Stream::~Stream() {
  makeCurrentQuietly(device);
  device->cuda->streamDestroy(stream);
}

}  // namespace trtd

using namespace trtd;

extern "C" {

int32_t trtd_cuda_open(const char* path, trtd_cuda_info* info, trtd_error* error) {
  return guard(error, [&] {
    require(info != nullptr, "\"info\" must not be NULL");
    std::shared_ptr<const Cuda> api;
    {
      std::lock_guard<std::mutex> lock(current().mutex);
      if (!current().cuda || (path != nullptr && current().cuda->path != path)) current().cuda = openCuda(path);
      api = start(current().cuda);
    }
    trtd_cuda_info facts{};
    api->check(api->driverGetVersion(&facts.driver_version), "cuDriverGetVersion");
    api->check(api->deviceGetCount(&facts.device_count), "cuDeviceGetCount");
    std::string release = releaseFromNvml();
    if (release.empty()) release = releaseFromProc();
    copyText(facts.driver_release, sizeof facts.driver_release, release);
    const size_t room = sizeof facts.path - 1;
    copyText(facts.path, sizeof facts.path, api->path.size() > room ? api->path.substr(api->path.size() - room) : api->path);
    *info = facts;
  });
}

int32_t trtd_cuda_device(int32_t index, int32_t with_memory, trtd_device_info* info, trtd_error* error) {
  return guard(error, [&] {
    require(info != nullptr, "\"info\" must not be NULL");
    const auto api = cuda();
    const int device = deviceAt(*api, index);
    trtd_device_info facts{};
    facts.index = index;
    const auto attribute = [&](int number, int32_t& value) {
      api->check(api->deviceGetAttribute(&value, number, device), "cuDeviceGetAttribute");
    };
    attribute(ATTRIBUTE_COMPUTE_MAJOR, facts.compute_major);
    attribute(ATTRIBUTE_COMPUTE_MINOR, facts.compute_minor);
    attribute(ATTRIBUTE_INTEGRATED, facts.integrated);
    attribute(ATTRIBUTE_MULTIPROCESSORS, facts.multiprocessors);
    api->check(api->deviceGetName(facts.name, sizeof facts.name, device), "cuDeviceGetName");
    facts.mig = std::strstr(facts.name, " MIG ") != nullptr ? 1 : 0;
    api->check(api->deviceGetUuid(facts.uuid, device), "cuDeviceGetUuid");
    size_t total = 0;
    api->check(api->deviceTotalMem(&total, device), "cuDeviceTotalMem");
    facts.memory_total = total;
    if (api->deviceGetPCIBusId(facts.pci_bus_id, sizeof facts.pci_bus_id, device) != 0) facts.pci_bus_id[0] = 0;
    if (with_memory != 0) {
      Visit visit(*api, device);
      size_t free = 0;
      api->check(api->memGetInfo(&free, &total), "cuMemGetInfo");
      facts.memory_free = free;
      facts.memory_known = 1;
    }
    *info = facts;
  });
}

int32_t trtd_cuda_runtime_version(const char* path, int32_t* version, trtd_error* error) {
  return guard(error, [&] {
    require(version != nullptr, "\"version\" must not be NULL");
    static const char* const defaults[] = {"libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0", "libcudart.so"};
    void* library = nullptr;
    std::string name = path != nullptr ? path : "libcudart";
    if (path != nullptr) {
      library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    } else {
      for (const char* candidate : defaults) {
        library = dlopen(candidate, RTLD_NOW | RTLD_LOCAL);
        if (library != nullptr) break;
      }
    }
    if (library == nullptr) {
      fail(TRTD_LIBRARY_NOT_LOADED, "\"" + name + "\" cannot be opened: " + loaderMessage(), TRTD_ORIGIN_SYSTEM);
    }
    int (*get)(int*) = nullptr;
    if (!load(library, "cudaRuntimeGetVersion", get)) {
      fail(TRTD_SYMBOL_MISSING, "\"" + name + "\" has no cudaRuntimeGetVersion: it is no CUDA runtime library",
           TRTD_ORIGIN_SYSTEM);
    }
    const int result = get(version);
    if (result != 0) {
      fail(TRTD_CUDA_ERROR, "cudaRuntimeGetVersion failed with " + std::to_string(result), TRTD_ORIGIN_CUDA, result);
    }
  });
}

int32_t trtd_device_open(int32_t index, uint64_t* device, trtd_error* error) {
  return guard(error, [&] {
    requireOut(device, "\"device\" must not be NULL");
    *device = publish(std::make_shared<Device>(cuda(), index));
  });
}

int32_t trtd_memory_allocate(uint64_t device, uint64_t bytes, uint64_t* memory, trtd_error* error) {
  return guard(error, [&] {
    requireOut(memory, "\"memory\" must not be NULL");
    require(bytes > 0, "\"bytes\" must be 1 or more");
    *memory = publish(std::make_shared<Memory>(get<Device>(device), bytes));
  });
}

int32_t trtd_memory_write(uint64_t memory, uint64_t offset, const void* data, uint64_t bytes, trtd_error* error) {
  return guard(error, [&] {
    const Locked<Memory> target(memory);
    require(data != nullptr || bytes == 0, "\"data\" must not be NULL");
    checkRange(*target, offset, bytes);
    if (bytes == 0) return;
    target->device->makeCurrent();
    const Cuda& api = *target->device->cuda;
    api.check(api.memcpyHtoD(target->address + offset, data, bytes), "cuMemcpyHtoD");
    // The copy may still be on its way, and our streams do not wait for the default one.
    api.check(api.streamSynchronize(nullptr), "cuStreamSynchronize");
  });
}

int32_t trtd_memory_read(uint64_t memory, uint64_t offset, void* data, uint64_t bytes, trtd_error* error) {
  return guard(error, [&] {
    const Locked<Memory> source(memory);
    require(data != nullptr || bytes == 0, "\"data\" must not be NULL");
    checkRange(*source, offset, bytes);
    if (bytes == 0) return;
    source->device->makeCurrent();
    const Cuda& api = *source->device->cuda;
    api.check(api.memcpyDtoH(data, source->address + offset, bytes), "cuMemcpyDtoH");
  });
}

int32_t trtd_stream_create(uint64_t device, uint64_t* stream, trtd_error* error) {
  return guard(error, [&] {
    requireOut(stream, "\"stream\" must not be NULL");
    *stream = publish(std::make_shared<Stream>(get<Device>(device)));
  });
}

int32_t trtd_stream_synchronize(uint64_t stream, trtd_error* error) {
  return guard(error, [&] {
    const Locked<Stream> target(stream);
    target->device->makeCurrent();
    const Cuda& api = *target->device->cuda;
    api.check(api.streamSynchronize(target->stream), "cuStreamSynchronize");
  });
}
}
