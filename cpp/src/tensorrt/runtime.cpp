#include "runtime.h"

#include <cstring>

namespace trtd {
namespace {

constexpr int64_t MAX_THREADS = 4096;

struct OptionRow {
  const char* name;
  int64_t least;
  int64_t most;
};

// By trtd_runtime_option.
constexpr OptionRow OPTIONS[] = {{"maximum of threads", 1, MAX_THREADS}, {"permission for host code", 0, 1}};

// Bytes of an element by trtd_type, 0 for less than one.
constexpr uint64_t ELEMENT_BYTES[] = {4, 2, 1, 4, 1, 1, 1, 2, 8, 0, 0, 1};

std::string textOf(const char* text) { return isNull(text) ? std::string() : std::string(text); }

}  // namespace

std::vector<EngineTensor> tensorsOf(const Engine& engine) {
  const Library& library = engine.library();
  void* const native = engine.native.get();
  std::vector<EngineTensor> tensors;
  for (int32_t i = 0, count = library.call<int32_t>(native, CudaEngine_getNbIOTensors); i < count; ++i) {
    const char* const name = library.call<const char*>(native, CudaEngine_getIOTensorName, i);
    if (isNull(name)) fail(TRTD_NULL_RESULT, "The engine returned no tensor name", TRTD_ORIGIN_TENSORRT);
    tensors.push_back({name, library.call<int32_t>(native, CudaEngine_getTensorIOMode, name),
                       library.call<int32_t>(native, CudaEngine_getTensorDataType, name),
                       library.call<int32_t>(native, CudaEngine_getTensorFormat, name),
                       library.callDims(native, CudaEngine_getTensorShape, name)});
  }
  return tensors;
}

uint64_t tensorBytes(int32_t type, const trtd_dims& dims) {
  const bool known = type >= 0 && type < static_cast<int32_t>(sizeof ELEMENT_BYTES / sizeof *ELEMENT_BYTES);
  if (!known || dims.count < 0) return 0;
  uint64_t bytes = ELEMENT_BYTES[type];
  for (int32_t i = 0; i < dims.count; ++i) {
    if (dims.size[i] < 0) return 0;
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(dims.size[i]), &bytes)) return 0;
  }
  return bytes;
}

}  // namespace trtd

using namespace trtd;

extern "C" {

int32_t trtd_runtime_create(uint64_t library, uint64_t device, int32_t flags, uint64_t* runtime, trtd_error* error) {
  return guard(error, [&] {
    requireOut(runtime, "\"runtime\" must not be NULL");
    const Locked<Library> target(library);
    const auto where = device != 0 ? get<Device>(device) : nullptr;
    requireDriver(*target, flags);
    makeCurrent(where);
    const Burst burst(*target->log);
    void* const made = checkedResult(target->createRuntime(target->logger, target->rawVersion), burst,
                                     TRTD_NULL_RESULT, "createInferRuntime");
    *runtime = publish(std::make_shared<Runtime>(target.share(), where, made));
  });
}

int32_t trtd_runtime_set_option(uint64_t runtime, int32_t option, int64_t value, trtd_error* error) {
  return guard(error, [&] {
    require(option >= 0 && option <= TRTD_RUNTIME_HOST_CODE_ALLOWED, "There is no runtime option of that number");
    const OptionRow& row = OPTIONS[option];
    if (value < row.least || value > row.most) {
      fail(TRTD_INVALID_ARGUMENT, std::string("The ") + row.name + " must be " + std::to_string(row.least) + " to " +
                                      std::to_string(row.most) + ", not " + std::to_string(value));
    }
    const Locked<Runtime> target(runtime);
    const Library& library = *target->library;
    void* const native = target->native.get();
    const Burst burst(*library.log);
    bool kept = false;
    if (option == TRTD_RUNTIME_MAX_THREADS) {
      kept = library.call<bool>(native, Runtime_setMaxThreads, static_cast<int32_t>(value));
    } else {
      library.call<void>(native, Runtime_setEngineHostCodeAllowed, value != 0);
      kept = library.call<bool>(native, Runtime_getEngineHostCodeAllowed) == (value != 0);
    }
    if (!kept || burst.any()) {
      burst.fail(TRTD_REFUSED, library.name() + " did not take " + std::to_string(value) + " as " + row.name);
    }
  });
}

int32_t trtd_runtime_get_option(uint64_t runtime, int32_t option, int64_t* value, trtd_error* error) {
  return guard(error, [&] {
    require(value != nullptr, "\"value\" must not be NULL");
    require(option >= 0 && option <= TRTD_RUNTIME_HOST_CODE_ALLOWED, "There is no runtime option of that number");
    const Locked<Runtime> target(runtime);
    const Library& library = *target->library;
    void* const native = target->native.get();
    *value = option == TRTD_RUNTIME_MAX_THREADS ? library.call<int32_t>(native, Runtime_getMaxThreads)
                                                : (library.call<bool>(native, Runtime_getEngineHostCodeAllowed) ? 1 : 0);
  });
}

int32_t trtd_engine_load(uint64_t runtime, const void* plan, uint64_t bytes, uint64_t* engine, trtd_error* error) {
  return guard(error, [&] {
    requireOut(engine, "\"engine\" must not be NULL");
    require(plan != nullptr && bytes > 0, "The plan has no bytes");
    const Locked<Runtime> target(runtime);
    const Library& library = *target->library;
    makeCurrent(target->device);
    const Burst burst(*library.log);
    void* const native = target->native.get();
    const size_t size = static_cast<size_t>(bytes);
    void* const made =
        library.row().deserializeTakesFactory
            ? library.call<void*>(native, Runtime_deserializeCudaEngine, plan, size, static_cast<void*>(nullptr))
            : library.call<void*>(native, Runtime_deserializeCudaEngine, plan, size);
    if (isNull(made)) burst.fail(TRTD_PLAN_REFUSED, library.name() + " refused the plan");
    *engine = publish(std::make_shared<Engine>(target.share(), made));
  });
}

int32_t trtd_engine_facts(uint64_t engine, trtd_engine_info* info, trtd_error* error) {
  return guard(error, [&] {
    require(info != nullptr, "\"info\" must not be NULL");
    const Locked<Engine> target(engine);
    const Library& library = target->library();
    void* const native = target->native.get();
    trtd_engine_info facts{};
    facts.device_memory = library.has(CudaEngine_getDeviceMemorySizeV2)
                              ? library.call<int64_t>(native, CudaEngine_getDeviceMemorySizeV2)
                              : static_cast<int64_t>(library.call<size_t>(native, CudaEngine_getDeviceMemorySize));
    facts.tensors = library.call<int32_t>(native, CudaEngine_getNbIOTensors);
    facts.profiles = library.call<int32_t>(native, CudaEngine_getNbOptimizationProfiles);
    facts.layers = library.call<int32_t>(native, CudaEngine_getNbLayers);
    facts.hardware_compatibility = library.has(CudaEngine_getHardwareCompatibilityLevel)
                                       ? library.call<int32_t>(native, CudaEngine_getHardwareCompatibilityLevel)
                                       : -1;
    const std::string name = textOf(library.call<const char*>(native, CudaEngine_getName));
    facts.name_length = static_cast<uint32_t>(name.size());
    copyText(facts.name, sizeof facts.name, name);
    *info = facts;
  });
}

int32_t trtd_engine_tensor(uint64_t engine, int32_t index, trtd_tensor_info* info, trtd_error* error) {
  return guard(error, [&] {
    require(info != nullptr, "\"info\" must not be NULL");
    const Locked<Engine> target(engine);
    const Library& library = target->library();
    void* const native = target->native.get();
    require(index >= 0 && index < library.call<int32_t>(native, CudaEngine_getNbIOTensors),
            "The engine has no tensor of that index");
    const char* const name = library.call<const char*>(native, CudaEngine_getIOTensorName, index);
    if (isNull(name)) fail(TRTD_NULL_RESULT, "The engine returned no tensor name", TRTD_ORIGIN_TENSORRT);
    trtd_tensor_info facts{};
    facts.mode = library.call<int32_t>(native, CudaEngine_getTensorIOMode, name);
    facts.type = library.call<int32_t>(native, CudaEngine_getTensorDataType, name);
    facts.format = library.call<int32_t>(native, CudaEngine_getTensorFormat, name);
    facts.location = library.call<int32_t>(native, CudaEngine_getTensorLocation, name);
    facts.is_shape = library.call<bool>(native, CudaEngine_isShapeInferenceIO, name) ? 1 : 0;
    facts.dims = library.callDims(native, CudaEngine_getTensorShape, name);
    facts.name_length = static_cast<uint32_t>(std::strlen(name));
    const bool whole = copyText(facts.name, sizeof facts.name, name);
    *info = facts;
    if (!whole) fail(TRTD_BUFFER_TOO_SMALL, "The name of the tensor has " + std::to_string(facts.name_length) + " bytes");
  });
}

int32_t trtd_engine_profile_shape(uint64_t engine, const char* name, int32_t profile, int32_t selector,
                                  trtd_dims* dims, trtd_error* error) {
  return guard(error, [&] {
    require(name != nullptr && dims != nullptr, "\"name\" and \"dims\" must not be NULL");
    require(selector >= TRTD_SELECTOR_MIN && selector <= TRTD_SELECTOR_MAX, "\"selector\" must be 0 to 2");
    const Locked<Engine> target(engine);
    const Library& library = target->library();
    const Burst burst(*library.log);
    *dims = library.callDims(target->native.get(), CudaEngine_getProfileShape, name, profile, selector);
    if (dims->count < 0 || burst.any()) {
      burst.fail(TRTD_INVALID_ARGUMENT,
                 "The engine has no profile " + std::to_string(profile) + " for \"" + name + "\"");
    }
  });
}

int32_t trtd_engine_describe(uint64_t engine, int32_t format, char* text, uint64_t capacity, uint64_t* length,
                             trtd_error* error) {
  return guard(error, [&] {
    require(format == 0 || format == 1, "\"format\" must be 0 (lines) or 1 (JSON)");
    const Locked<Engine> target(engine);
    const Library& library = target->library();
    const Burst burst(*library.log);
    Native inspector(checkedResult(library.call<void*>(target->native.get(), CudaEngine_createEngineInspector), burst,
                                   TRTD_NULL_RESULT, "createEngineInspector"));
    const char* const answer = library.call<const char*>(inspector.get(), EngineInspector_getEngineInformation, format);
    if (isNull(answer)) burst.fail(TRTD_NULL_RESULT, "getEngineInformation returned null");
    giveText(answer, text, capacity, length);
  });
}
}
