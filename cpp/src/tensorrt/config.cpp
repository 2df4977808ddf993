#include <algorithm>

#include "builder.h"

namespace trtd {
namespace {

struct OptionRow {
  const char* name;
  Method set;
  Method get;  // METHOD_COUNT: cannot be read back
  int64_t least;
  int64_t most;
};

// By trtd_option.
constexpr OptionRow OPTIONS[] = {
    {"optimization level", BuilderConfig_setBuilderOptimizationLevel, BuilderConfig_getBuilderOptimizationLevel, 0, 5},
    {"profiling verbosity", BuilderConfig_setProfilingVerbosity, BuilderConfig_getProfilingVerbosity, 0, 2},
    {"hardware compatibility level", BuilderConfig_setHardwareCompatibilityLevel,
     BuilderConfig_getHardwareCompatibilityLevel, 0, 2},
    {"tactic sources", BuilderConfig_setTacticSources, BuilderConfig_getTacticSources, 0, 0xFFFFFFFF},
    {"DLA core", BuilderConfig_setDLACore, BuilderConfig_getDLACore, -1, 15},
    {"default device", BuilderConfig_setDefaultDeviceType, BuilderConfig_getDefaultDeviceType, 0, 1},
    {"number of auxiliary streams", BuilderConfig_setMaxAuxStreams, METHOD_COUNT, 0, 1024},
    {"number of timing iterations", BuilderConfig_setAvgTimingIterations, BuilderConfig_getAvgTimingIterations, 1, 1000},
};
constexpr int32_t OPTION_COUNT = sizeof OPTIONS / sizeof OPTIONS[0];

const OptionRow& optionRow(int32_t option) {
  require(option >= 0 && option < OPTION_COUNT, "There is no option of that number");
  return OPTIONS[option];
}

void requireMethod(const Library& library, Method method, const char* what) {
  if (!library.has(method)) fail(TRTD_UNSUPPORTED, library.name() + " has no " + what);
}

int numberOfFlag(const Library& library, int32_t flag) {
  require(flag >= 0 && flag < FLAG_COUNT, "There is no flag of that number");
  const int number = flagNumber(library.identity.family, library.identity.version, flag);
  if (number < 0) fail(TRTD_UNSUPPORTED, library.name() + " has no flag " + flagName(flag));
  return number;
}

int32_t poolOf(const Library& library, int32_t pool) {
  require(pool >= 0 && pool <= TRTD_POOL_TACTIC_SHARED_MEMORY, "There is no memory pool of that number");
  if (pool >= library.row().pools) {
    fail(TRTD_UNSUPPORTED, library.name() + " has no memory pool " + std::to_string(pool));
  }
  return pool;
}

std::string shapeText(const trtd_dims& dims) {
  std::string text;
  for (int32_t i = 0; i < dims.count; ++i) text += (i > 0 ? "x" : "") + std::to_string(dims.size[i]);
  return text;
}

// Refuses an input whose corners are missing or out of order, naming it.
void checkShapes(const std::string& name, const Profile::Shapes& shapes) {
  static const char* const corners[] = {"MIN", "OPT", "MAX"};
  for (int corner = 0; corner < 3; ++corner) {
    if (!shapes.given[corner]) {
      fail(TRTD_INVALID_ARGUMENT, "Input \"" + name + "\" has no " + corners[corner] + " shape in the profile");
    }
  }
  for (int corner = 1; corner < 3; ++corner) {
    const trtd_dims& low = shapes.dims[corner - 1];
    const trtd_dims& high = shapes.dims[corner];
    bool ordered = low.count == high.count;
    for (int32_t i = 0; ordered && i < low.count; ++i) ordered = low.size[i] <= high.size[i];
    if (!ordered) {
      fail(TRTD_INVALID_ARGUMENT, "Input \"" + name + "\" has " + corners[corner - 1] + " " + shapeText(low) +
                                      " above " + corners[corner] + " " + shapeText(high));
    }
  }
}

bool setDimensions(const Library& library, void* profile, const char* name, int32_t selector, const trtd_dims& dims) {
  if (!library.row().wideDims) {
    Dims32 narrow{};
    narrow.count = dims.count;
    for (int32_t i = 0; i < dims.count; ++i) narrow.size[i] = static_cast<int32_t>(dims.size[i]);
    return library.call<bool>(profile, OptimizationProfile_setDimensions, name, selector, narrow);
  }
  Dims64 wide{};
  wide.count = dims.count;
  for (int32_t i = 0; i < dims.count; ++i) wide.size[i] = dims.size[i];
  return library.call<bool>(profile, OptimizationProfile_setDimensions, name, selector, static_cast<const Dims64*>(&wide));
}

}  // namespace
}  // namespace trtd

using namespace trtd;

extern "C" {

int32_t trtd_config_create(uint64_t builder, uint64_t* config, trtd_error* error) {
  return guard(error, [&] {
    requireOut(config, "\"config\" must not be NULL");
    const Locked<Builder> target(builder);
    makeCurrent(target->device);
    const Burst burst(*target->library->log);
    void* const made = checkedResult(target->library->call<void*>(target->native.get(), Builder_createBuilderConfig),
                                     burst, TRTD_NULL_RESULT, "createBuilderConfig");
    *config = publish(std::make_shared<Config>(target.share(), made));
  });
}

int32_t trtd_config_set_flag(uint64_t config, int32_t flag, int32_t on, trtd_error* error) {
  return guard(error, [&] {
    const Locked<Config> target(config);
    const Library& library = target->library();
    const int number = numberOfFlag(library, flag);
    const Burst burst(*library.log);
    library.call<void>(target->native.get(), on != 0 ? BuilderConfig_setFlag : BuilderConfig_clearFlag, number);
    if (library.call<bool>(target->native.get(), BuilderConfig_getFlag, number) != (on != 0) || burst.any()) {
      burst.fail(TRTD_REFUSED, library.name() + " did not take the flag " + flagName(flag));
    }
  });
}

int32_t trtd_config_get_flag(uint64_t config, int32_t flag, int32_t* on, trtd_error* error) {
  return guard(error, [&] {
    require(on != nullptr, "\"on\" must not be NULL");
    const Locked<Config> target(config);
    const int number = numberOfFlag(target->library(), flag);
    *on = target->library().call<bool>(target->native.get(), BuilderConfig_getFlag, number) ? 1 : 0;
  });
}

int32_t trtd_config_set_pool(uint64_t config, int32_t pool, uint64_t bytes, trtd_error* error) {
  return guard(error, [&] {
    const Locked<Config> target(config);
    const Library& library = target->library();
    poolOf(library, pool);
    const Burst burst(*library.log);
    library.call<void>(target->native.get(), BuilderConfig_setMemoryPoolLimit, pool, static_cast<size_t>(bytes));
    if (burst.any()) {
      burst.fail(TRTD_REFUSED, library.name() + " did not take " + std::to_string(bytes) + " bytes for memory pool " +
                                   std::to_string(pool));
    }
  });
}

int32_t trtd_config_get_pool(uint64_t config, int32_t pool, uint64_t* bytes, trtd_error* error) {
  return guard(error, [&] {
    require(bytes != nullptr, "\"bytes\" must not be NULL");
    const Locked<Config> target(config);
    poolOf(target->library(), pool);
    makeCurrent(target->builder->device);
    *bytes = target->library().call<size_t>(target->native.get(), BuilderConfig_getMemoryPoolLimit, pool);
  });
}

int32_t trtd_config_set_option(uint64_t config, int32_t option, int64_t value, trtd_error* error) {
  return guard(error, [&] {
    const OptionRow& row = optionRow(option);
    const Locked<Config> target(config);
    const Library& library = target->library();
    requireMethod(library, row.set, row.name);
    if (value < row.least || value > row.most) {
      fail(TRTD_INVALID_ARGUMENT, std::string("The ") + row.name + " must be " + std::to_string(row.least) + " to " +
                                      std::to_string(row.most) + ", not " + std::to_string(value));
    }
    const Burst burst(*library.log);
    const int32_t number = static_cast<int32_t>(value);
    library.call<void>(target->native.get(), row.set, number);
    const bool kept = row.get == METHOD_COUNT || library.call<int32_t>(target->native.get(), row.get) == number;
    if (!kept || burst.any()) {
      burst.fail(TRTD_REFUSED, library.name() + " did not take " + std::to_string(value) + " as " + row.name);
    }
  });
}

int32_t trtd_config_get_option(uint64_t config, int32_t option, int64_t* value, trtd_error* error) {
  return guard(error, [&] {
    require(value != nullptr, "\"value\" must not be NULL");
    const OptionRow& row = optionRow(option);
    if (row.get == METHOD_COUNT) fail(TRTD_UNSUPPORTED, std::string("The ") + row.name + " cannot be read back");
    const Locked<Config> target(config);
    requireMethod(target->library(), row.get, row.name);
    const int32_t number = target->library().call<int32_t>(target->native.get(), row.get);
    *value = option == TRTD_OPTION_TACTIC_SOURCES ? static_cast<int64_t>(static_cast<uint32_t>(number)) : number;
  });
}

int32_t trtd_config_set_targets(uint64_t config, const int32_t* targets, uint32_t count, trtd_error* error) {
  return guard(error, [&] {
    require(targets != nullptr && count >= 1 && count <= 16, "\"targets\" must have 1 to 16 entries");
    const Locked<Config> target(config);
    const Library& library = target->library();
    requireMethod(library, BuilderConfig_setComputeCapability, "choice of compute capabilities to build for");
    const Burst burst(*library.log);
    void* const native = target->native.get();
    if (!library.call<bool>(native, BuilderConfig_setNbComputeCapabilities, static_cast<int32_t>(count))) {
      burst.fail(TRTD_REFUSED, library.name() + " refused " + std::to_string(count) + " targets");
    }
    for (uint32_t i = 0; i < count; ++i) {
      const int32_t index = static_cast<int32_t>(i);
      for (uint32_t j = 0; j < i; ++j) require(targets[i] != targets[j], "Each target must be given once");
      if (!library.call<bool>(native, BuilderConfig_setComputeCapability, targets[i], index) || burst.any() ||
          library.call<int32_t>(native, BuilderConfig_getComputeCapability, index) != targets[i]) {
        burst.fail(TRTD_REFUSED, library.name() + " refused the target " + std::to_string(targets[i]));
      }
    }
  });
}

int32_t trtd_profile_create(uint64_t builder, uint64_t* profile, trtd_error* error) {
  return guard(error, [&] {
    requireOut(profile, "\"profile\" must not be NULL");
    const Locked<Builder> target(builder);
    const Burst burst(*target->library->log);
    void* const made =
        checkedResult(target->library->call<void*>(target->native.get(), Builder_createOptimizationProfile), burst,
                      TRTD_NULL_RESULT, "createOptimizationProfile");
    *profile = publish(std::make_shared<Profile>(target.share(), made));
  });
}

int32_t trtd_profile_set_shape(uint64_t profile, const char* name, int32_t selector, const trtd_dims* dims,
                               trtd_error* error) {
  return guard(error, [&] {
    require(name != nullptr && dims != nullptr, "\"name\" and \"dims\" must not be NULL");
    require(selector >= TRTD_SELECTOR_MIN && selector <= TRTD_SELECTOR_MAX, "\"selector\" must be 0 to 2");
    require(dims->count >= 0 && dims->count <= 8, "A shape has 0 to 8 dimensions");
    for (int32_t i = 0; i < dims->count; ++i) {
      require(dims->size[i] >= 0 && dims->size[i] <= INT32_MAX, "A dimension in a profile must be 0 to 2147483647");
    }
    const Locked<Profile> target(profile);
    const Library& library = *target->builder->library;
    const Burst burst(*library.log);
    if (!setDimensions(library, target->native, name, selector, *dims) || burst.any()) {
      burst.fail(TRTD_REFUSED, "The profile did not take " + shapeText(*dims) + " for input \"" + name + "\"");
    }
    Profile::Shapes& shapes = target->shapes[name];
    shapes.given[selector] = true;
    shapes.dims[selector] = *dims;
  });
}

int32_t trtd_config_add_profile(uint64_t config, uint64_t profile, int32_t* index, trtd_error* error) {
  return guard(error, [&] {
    require(index != nullptr, "\"index\" must not be NULL");
    const Locked<Config> target(config);
    const Locked<Profile> added(profile);
    const Library& library = target->library();
    require(added->builder == target->builder, "Profile and config must come from the same builder");
    require(!added->shapes.empty(), "The profile has no shapes");
    for (const auto& entry : added->shapes) checkShapes(entry.first, entry.second);
    const Burst burst(*library.log);
    if (!library.call<bool>(added->native, OptimizationProfile_isValid)) {
      burst.fail(TRTD_REFUSED, library.name() + " calls the profile invalid");
    }
    const int32_t number = library.call<int32_t>(target->native.get(), BuilderConfig_addOptimizationProfile, added->native);
    if (number < 0) burst.fail(TRTD_REFUSED, library.name() + " refused the profile");
    target->profiles.push_back(added.share());
    *index = number;
  });
}

int32_t trtd_config_load_timing_cache(uint64_t config, const void* cache, uint64_t bytes, int32_t ignore_mismatch,
                                      trtd_error* error) {
  return guard(error, [&] {
    require(cache != nullptr || bytes == 0, "\"cache\" must not be NULL unless \"bytes\" is 0");
    const Locked<Config> target(config);
    const Library& library = target->library();
    makeCurrent(target->builder->device);
    const Burst burst(*library.log);
    void* const native = target->native.get();
    void* const made =
        checkedResult(library.call<void*>(native, BuilderConfig_createTimingCache, cache, static_cast<size_t>(bytes)),
                      burst, TRTD_REFUSED, "createTimingCache");
    if (!library.call<bool>(native, BuilderConfig_setTimingCache, made, ignore_mismatch != 0)) {
      deleteObject(made);
      burst.fail(TRTD_REFUSED, library.name() + " did not take the timing cache");
    }
    target->timingCache.reset(made);
  });
}

int32_t trtd_config_save_timing_cache(uint64_t config, uint64_t* blob, trtd_error* error) {
  return guard(error, [&] {
    requireOut(blob, "\"blob\" must not be NULL");
    const Locked<Config> target(config);
    const Library& library = target->library();
    void* const cache = library.call<void*>(target->native.get(), BuilderConfig_getTimingCache);
    if (isNull(cache)) fail(TRTD_UNSUPPORTED, "The config has no timing cache");
    const Burst burst(*library.log);
    void* const memory = checkedResult(library.call<void*>(cache, TimingCache_serialize), burst, TRTD_NULL_RESULT,
                                       "ITimingCache::serialize");
    *blob = publish(std::make_shared<Blob>(target->builder->library, target.share(), memory, TRTD_NULL_RESULT));
  });
}

int32_t trtd_config_watch_progress(uint64_t config, int32_t on, trtd_error* error) {
  return guard(error, [&] {
    const Locked<Config> target(config);
    const Library& library = target->library();
    requireMethod(library, BuilderConfig_setProgressMonitor, "progress monitor");
    auto monitor = on != 0 ? std::make_shared<ProgressMonitor>(library.row().monitor) : nullptr;
    void* const object = monitor ? monitor->object() : nullptr;
    library.call<void>(target->native.get(), BuilderConfig_setProgressMonitor, object);
    std::lock_guard<std::mutex> lock(target->cancelling);
    target->monitor = std::move(monitor);
  });
}

int32_t trtd_config_cancel(uint64_t config, trtd_error* error) {
  return guard(error, [&] {
    const auto target = get<Config>(config);
    std::lock_guard<std::mutex> lock(target->cancelling);
    if (!target->monitor) fail(TRTD_UNSUPPORTED, "A build is cancellable only while its progress is watched");
    target->monitor->cancel();
  });
}
}
