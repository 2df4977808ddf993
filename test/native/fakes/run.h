// What a fake runtime does with a plan of build.h.
#pragma once

#include <csignal>
#include <cstring>

#include "compute.h"

namespace fake {

struct Plan {
  std::vector<TensorSpec> tensors;
  std::vector<std::vector<ProfileSpec>> profiles;
  uint32_t flags = 0;
  int32_t layers = 0;

  TensorSpec const* find(std::string const& name) const {
    for (TensorSpec const& tensor : tensors) {
      if (tensor.name == name) return &tensor;
    }
    return nullptr;
  }
  ProfileSpec const* profile(int32_t index, std::string const& input) const {
    if (index < 0 || static_cast<size_t>(index) >= profiles.size()) return nullptr;
    for (ProfileSpec const& spec : profiles[static_cast<size_t>(index)]) {
      if (spec.input == input) return &spec;
    }
    return nullptr;
  }
};

inline Plan planOf(std::string const& lines) {
  Plan plan;
  std::istringstream input(lines);
  for (std::string line; std::getline(input, line);) {
    std::istringstream words(line);
    std::string kind, name, shape, opt, max;
    words >> kind;
    if (kind == "tensor") {
      TensorSpec tensor{};
      words >> tensor.mode >> tensor.name >> tensor.type >> shape;
      tensor.dims = dimsFrom(shape);
      plan.tensors.push_back(tensor);
    } else if (kind == "profile") {
      size_t index = 0;
      words >> index >> name >> shape >> opt >> max;
      plan.profiles.resize(index + 1);
      plan.profiles[index].push_back({name, {dimsFrom(shape), dimsFrom(opt), dimsFrom(max)}});
    } else if (kind == "flags") {
      words >> plan.flags;
    } else if (kind == "layers") {
      words >> plan.layers;
    }
  }
  return plan;
}

class EngineInspector final : public Object<VEngineInspector> {
 public:
  EngineInspector() : Object("EngineInspector") {}
  char const* getEngineInformation(int32_t format) noexcept {
    record("EngineInspector.getEngineInformation(" + std::to_string(format) + ")");
    information_ = format == 1 ? "{\"Layers\": [" + std::string(6000, ' ') + "\"conv\"]}" : "conv\n";
    return information_.c_str();
  }

 private:
  std::string information_;
};

#if FAKE_RTX
// Compiled kernels: "KERNELS" and a word for each engine. What is taken of an earlier cache saves TRTD_FAKE compile=MS.
class RuntimeCache final : public Object<VRuntimeCache> {
 public:
  RuntimeCache() : Object("RuntimeCache") {}
  IHostMemory* serialize() noexcept {
    record("RuntimeCache.serialize(" + bytes + ")");
    return new HostMemory(script("cache") == "empty" ? "" : bytes);
  }
  bool deserialize(void const* blob, size_t size) noexcept {
    record("RuntimeCache.deserialize(" + std::to_string(size) + ")");
    std::string const given(static_cast<char const*>(blob), size);
    if (given.compare(0, 7, "KERNELS") != 0 || script("cache") == "foreign") {
      log(ERROR, "IRuntimeCache::deserialize: Error Code 3: API Usage Error (the runtime cache is of another environment)");
      return false;
    }
    bytes = given;
    return true;
  }
  void compile(std::string const& engine) {
    if (bytes.find(engine) != std::string::npos) return;
    usleep(static_cast<useconds_t>(atoi(script("compile").c_str())) * 1000);
    bytes += engine;
  }
  std::string bytes = "KERNELS";
};

class RuntimeConfig final : public Object<VRuntimeConfig> {
 public:
  RuntimeConfig() : Object("RuntimeConfig") {}
  // As the library may: a cache that is gone before the config is a use after free.
  ~RuntimeConfig() noexcept override {
    if (cache != nullptr) record("RuntimeConfig ends with " + std::to_string(cache->bytes.size()) + " bytes");
  }
  IRuntimeCache* createRuntimeCache() noexcept {
    record("RuntimeConfig.createRuntimeCache()");
    return new RuntimeCache;
  }
  bool setRuntimeCache(IRuntimeCache const& given) noexcept {
    cache = const_cast<RuntimeCache*>(static_cast<RuntimeCache const*>(&given));
    record("RuntimeConfig.setRuntimeCache(" + cache->bytes + ")");
    return script("cache") != "unset";
  }
  bool setCudaGraphStrategy(int32_t strategy) noexcept {
    record("RuntimeConfig.setCudaGraphStrategy(" + std::to_string(strategy) + ")");
    return true;
  }
  void setDynamicShapesKernelSpecializationStrategy(int32_t strategy) noexcept {
    record("RuntimeConfig.setDynamicShapesKernelSpecializationStrategy(" + std::to_string(strategy) + ")");
  }
  RuntimeCache* cache = nullptr;
};
#elif FAKE_MAJOR >= 11 || (FAKE_MAJOR == 10 && FAKE_MINOR >= 11)
class RuntimeConfig final : public Object<VRuntimeConfig> {
 public:
  RuntimeConfig() : Object("RuntimeConfig") {}
};
#else
using IRuntimeConfig = void;
#endif

class ExecutionContext final : public Object<VExecutionContext> {
 public:
  explicit ExecutionContext(Plan const& plan) : Object("ExecutionContext"), plan_(plan) {
    for (TensorSpec const& tensor : plan.tensors) shapes_[tensor.name] = tensor.dims;
  }
  bool setInputShape(char const* name, Dims const& dims) noexcept {
    record("ExecutionContext.setInputShape(" + std::string(name) + ", " + text(dims) + ")");
    ProfileSpec const* const profile = plan_.profile(index_, name);
    TensorSpec const* const tensor = plan_.find(name);
    bool fits = tensor != nullptr && tensor->dims.nbDims == dims.nbDims;
    for (int32_t i = 0; fits && i < dims.nbDims; ++i) {
      fits = tensor->dims.d[i] == dims.d[i] ||
             (profile != nullptr && profile->corners[0].d[i] <= dims.d[i] && dims.d[i] <= profile->corners[2].d[i]);
    }
    if (!fits) {
      log(ERROR, "IExecutionContext::setInputShape: Error Code 3: API Usage Error (Parameter check failed, condition: "
                 "satisfyProfile. Set dimension " + text(dims) + " for tensor " + name +
                 " does not satisfy any optimization profiles.)");
      return false;
    }
    if (text(shapes_[name]) != text(dims)) ++*state_;
    shapes_[name] = dims;
    for (TensorSpec const& output : plan_.tensors) {
      if (output.mode == 2 && output.dims.nbDims > 0 && output.dims.d[0] < 0) shapes_[output.name].d[0] = dims.d[0];
    }
    return true;
  }
  Dims getTensorShape(char const* name) noexcept {
    auto const found = shapes_.find(name);
    if (found != shapes_.end()) return found->second;
    Dims unknown;
    unknown.nbDims = -1;
    return unknown;
  }
  bool setTensorAddress(char const* name, void* data) noexcept {
    record("ExecutionContext.setTensorAddress(" + std::string(name) + ")");
    if (plan_.find(name) == nullptr) {
      log(ERROR, "IExecutionContext::setTensorAddress: Error Code 3: API Usage Error (Given invalid tensor name: " +
                     std::string(name) + ")");
      return false;
    }
    if (addresses_[name] != data) ++*state_;
    addresses_[name] = data;
    return true;
  }
  int64_t getMaxOutputSize(char const* name) noexcept {
    Dims const dims = getTensorShape(name);
    return dims.nbDims < 0 || dynamic(dims) ? -1 : elements(dims) * elementBytes(plan_.find(name)->type);
  }
  int32_t inferShapes(int32_t capacity, char const** names) noexcept {
    record("ExecutionContext.inferShapes(" + std::to_string(capacity) + ")");
    int32_t missing = 0;
    for (TensorSpec const& tensor : plan_.tensors) {
      if (tensor.mode == 1 && dynamic(shapes_[tensor.name])) {
        if (missing < capacity) names[missing] = tensor.name.c_str();
        ++missing;
      }
    }
    return missing;
  }
  bool setOptimizationProfileAsync(int32_t index, void* stream) noexcept {
    record("ExecutionContext.setOptimizationProfileAsync(" + std::to_string(index) + ", " +
           (stream != nullptr ? "stream" : "null") + ")");
    if (index < 0 || static_cast<size_t>(index) >= plan_.profiles.size()) {
      log(ERROR, "IExecutionContext::setOptimizationProfileAsync: Error Code 3: API Usage Error (Invalid profile index)");
      return false;
    }
    index_ = index;
    return true;
  }
  bool enqueueV3(void* stream) noexcept {
    record(std::string("ExecutionContext.enqueueV3(") + (stream != nullptr ? "stream" : "null") + ")");
    if (script("enqueue") == "refused") {
      log(ERROR, "IExecutionContext::enqueueV3: Error Code 1: Cuda Runtime (an illegal wish was encountered)");
      log(ERROR, "IExecutionContext::enqueueV3: Error Code 7: Internal Error (follow-up)");
      return false;
    }
    if (script("capture") == "refused" && capturing()) {
      log(ERROR, "IExecutionContext::enqueueV3: Error Code 1: Cuda Runtime (Requested amount of GPU memory failed because "
                 "the stream is capturing a CUDA graph)");
      return false;
    }
    for (TensorSpec const& tensor : plan_.tensors) {
      if (addresses_.find(tensor.name) == addresses_.end()) {
        log(ERROR, "IExecutionContext::enqueueV3: Error Code 3: API Usage Error (Parameter check failed, condition: "
                   "mContext.profileObliviousBindings. Address is not set for " +
                   std::string(tensor.mode == 1 ? "input" : "output") + " tensor " + tensor.name + ".)");
        return false;
      }
      if (dynamic(shapes_[tensor.name])) {
        log(ERROR, "IExecutionContext::enqueueV3: Error Code 3: API Usage Error (Not all shapes are specified)");
        return false;
      }
    }
    Run run;
    for (TensorSpec const& tensor : plan_.tensors) {
      run.tensors.push_back({tensor, shapes_[tensor.name], addresses_[tensor.name]});
    }
    // A run is true as long as nobody changes the context, be it in a stream or in a graph.
    run.state = state_;
    run.version = state_->load();
    return runInStream(stream, std::move(run));
  }

 private:
  Plan const& plan_;
  int32_t index_ = 0;
  std::map<std::string, Dims> shapes_;
  std::map<std::string, void*> addresses_;
  std::shared_ptr<std::atomic<uint64_t>> const state_ = std::make_shared<std::atomic<uint64_t>>(0);
};

class CudaEngine final : public Object<VCudaEngine> {
 public:
  explicit CudaEngine(Plan plan) : Object("CudaEngine"), plan_(std::move(plan)) {}
  int32_t getNbIOTensors() noexcept { return static_cast<int32_t>(plan_.tensors.size()); }
  char const* getIOTensorName(int32_t index) noexcept { return plan_.tensors[static_cast<size_t>(index)].name.c_str(); }
  int32_t getTensorIOMode(char const* name) noexcept { return plan_.find(name)->mode; }
  Dims getTensorShape(char const* name) noexcept { return plan_.find(name)->dims; }
  int32_t getTensorDataType(char const* name) noexcept { return plan_.find(name)->type; }
  // Unlikely answers unless the type is f32, f16 or i64, so that neighbours in the table are told apart.
  // TRTD_FAKE format=N gives that format to all.
  int32_t getTensorFormat(char const* name) noexcept {
    std::string const wish = script("format");
    return !wish.empty() ? atoi(wish.c_str()) : usual(name) ? 0 : 5;
  }
  int32_t getTensorLocation(char const* name) noexcept {
    return usual(name) || getTensorIOMode(name) == 1 ? 0 : 1;
  }
  bool isShapeInferenceIO(char const* name) noexcept { return getTensorIOMode(name) == 1; }
#if FAKE_WIDE
  IExecutionContext* createExecutionContext(int32_t strategy) noexcept {
    record("CudaEngine.createExecutionContext(" + std::to_string(strategy) + ")");
    return makeContext();
  }
#else
  IExecutionContext* createExecutionContext() noexcept {
    record("CudaEngine.createExecutionContext()");
    return makeContext();
  }
#endif
  size_t getDeviceMemorySize() noexcept { return 4096; }
  int64_t getDeviceMemorySizeV2() noexcept { return 8192; }
  int32_t getNbOptimizationProfiles() noexcept {
    return plan_.profiles.empty() ? 1 : static_cast<int32_t>(plan_.profiles.size());
  }
  Dims getProfileShape(char const* name, int32_t profile, int32_t selector) noexcept {
    ProfileSpec const* const found = plan_.profile(profile, name);
    if (found != nullptr) return found->corners[selector];
    Dims unknown;
    unknown.nbDims = -1;
    return unknown;
  }
  char const* getName() noexcept { return "fake"; }
  int32_t getHardwareCompatibilityLevel() noexcept { return 1; }
  int32_t getNbLayers() noexcept { return plan_.layers; }
  IEngineInspector* createEngineInspector() noexcept {
    record("CudaEngine.createEngineInspector()");
    return new EngineInspector;
  }
#if FAKE_RTX || FAKE_MAJOR >= 11 || (FAKE_MAJOR == 10 && FAKE_MINOR >= 11)
  IRuntimeConfig* createRuntimeConfig() noexcept {
    record("CudaEngine.createRuntimeConfig()");
    return new RuntimeConfig;
  }
  IExecutionContext* createExecutionContextWithRuntimeConfig(IRuntimeConfig* config) noexcept {
#if FAKE_RTX
    RuntimeCache* const cache = static_cast<RuntimeConfig*>(config)->cache;
    record("CudaEngine.createExecutionContextWithRuntimeConfig(" + (cache != nullptr ? cache->bytes : "no cache") + ")");
    if (cache != nullptr) cache->compile(" conv");
#else
    record(std::string("CudaEngine.createExecutionContextWithRuntimeConfig(") + (config != nullptr ? "config)" : "null)"));
#endif
    return makeContext();
  }
#endif

 private:
  bool usual(char const* name) noexcept {
    int32_t const type = getTensorDataType(name);
    return type == 0 || type == 1 || type == 8;
  }
  IExecutionContext* makeContext() {
    if (!FAKE_RTX) usleep(static_cast<useconds_t>(atoi(script("compile").c_str())) * 1000);
    if (script("context") == "null") {
      log(ERROR, "ICudaEngine::createExecutionContext: Error Code 2: OutOfMemory (no sufficient memory)");
      return nullptr;
    }
    return new ExecutionContext(plan_);
  }
  Plan const plan_;
};

class Runtime final : public Object<VRuntime> {
 public:
  Runtime() : Object("Runtime") {}
#if FAKE_WIDE
  ICudaEngine* deserializeCudaEngine(void const* blob, size_t size) noexcept {
#else
  ICudaEngine* deserializeCudaEngine(void const* blob, size_t size, void* factory) noexcept {
    if (factory != nullptr) trap("deserializeCudaEngine with a factory");
#endif
    record("Runtime.deserializeCudaEngine(" + std::to_string(size) + ")");
    std::string const wish = script("load");
    if (wish == "abort") abort();
    if (wish == "segv") *reinterpret_cast<volatile int*>(8) = 1;
    if (wish == "kill") raise(SIGKILL);
    if (wish == "hang") {
      for (int i = 0; i < 600; ++i) usleep(100000);
    }
    if (wish == "capability") {
      log(ERROR, "IRuntime::deserializeCudaEngine: Error Code 6: API Usage Error (The engine plan file is generated on an "
                 "incompatible device, expecting compute 8.9 got compute 8.6, please rebuild.)");
      return nullptr;
    }
    if (wish == "silent") return nullptr;
    auto const* const bytes = static_cast<char const*>(blob);
    int64_t stated = 0;
    if (size >= 32) memcpy(&stated, bytes + 16, sizeof stated);
    if (size < 32 || memcmp(bytes, FAKE_RTX ? "vtrt" : "ftrt", 4) != 0) {
      log(ERROR, "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (Serialization assertion "
                 "header.magicTag == kEXPECTED_MAGIC_TAG failed.)");
      return nullptr;
    }
    if (stated != static_cast<int64_t>(size)) {
      log(ERROR, "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (Serialization assertion "
                 "plan.header.size == blobSize failed.)");
      return nullptr;
    }
    if (wish == "gpu") {
      log(ERROR, "IRuntime::deserializeCudaEngine: Error Code 6: API Usage Error (The engine cannot run on this GPU, "
                 "which has compute capability 9.0. Supported compute capabilities: None. TensorRT-RTX does not support "
                 "this compute capability, so the engine cannot be rebuilt for it.)");
      return nullptr;
    }
    if (bytes[24] != FAKE_MAJOR || bytes[25] != FAKE_MINOR) {
      auto const version = [](int major, int minor, int patch, int build) {
        return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch) + "." +
               std::to_string(build);
      };
      std::string const own = version(FAKE_MAJOR, FAKE_MINOR, FAKE_PATCH, 7);
      std::string const its = version(bytes[24], bytes[25], bytes[26], bytes[27]);
      log(ERROR, "IRuntime::deserializeCudaEngine: Error Code 6: API Usage Error (" +
                     (FAKE_RTX ? "The engine has been created with TensorRT-RTX version " + its +
                                     " but the current runtime is version " + own + ".)"
                               : "The engine plan file is not compatible with this version of TensorRT, expecting library "
                                 "version " + own + " got " + its + ", please rebuild.)"));
      return nullptr;
    }
    return new CudaEngine(planOf(std::string(bytes + 32, size - 32)));
  }
  bool setMaxThreads(int32_t threads) noexcept {
    record("Runtime.setMaxThreads(" + std::to_string(threads) + ")");
    threads_ = threads;
    return true;
  }
  int32_t getMaxThreads() noexcept { return threads_; }
  void setEngineHostCodeAllowed(bool allowed) noexcept {
    record(std::string("Runtime.setEngineHostCodeAllowed(") + (allowed ? "1" : "0") + ")");
    hostCode_ = allowed;
  }
  bool getEngineHostCodeAllowed() noexcept { return hostCode_; }

 private:
  int32_t threads_ = 1;
  bool hostCode_ = false;
};

}  // namespace fake
