// Objects of a fake TensorRT. FAKE_INTERFACES, FAKE_RAW, FAKE_MAJOR, FAKE_MINOR, FAKE_PATCH and FAKE_RTX come from the
// build. A method that the family lacks is an ordinary function here; one whose signature differs does not compile.
//
// The fake parser reads models of lines, "model" first:
//   input NAME TYPE DIMSxDIMS...    output NAME TYPE DIMS...    layers N
// and takes any other file for what the file of lines that TRTD_FAKE_MODEL names says, or without one for a detector with
// one input, "images" 1x3x640x1152, and one output, "output0" 1x84x15120.
// Types are TensorRT's numbers.
#pragma once

#include <unistd.h>

#include <map>
#include <memory>
#include <sstream>
#include <vector>

#include "support.h"

#if FAKE_RTX
#define FAKE_WIDE 1
#define FAKE_VERSIONED_LOGGER (FAKE_MAJOR > 1 || FAKE_MINOR >= 5)
#define FAKE_PRECISION_FLAGS 0
#define FAKE_TF32_BIT 6
#else
#define FAKE_WIDE (FAKE_MAJOR >= 10)
#define FAKE_VERSIONED_LOGGER (FAKE_MAJOR >= 11)
#define FAKE_PRECISION_FLAGS (FAKE_MAJOR < 11)
#define FAKE_TF32_BIT (FAKE_MAJOR >= 10 ? 6 : 7)
#endif

struct Dims {
  int32_t nbDims = 0;
#if FAKE_WIDE
  int64_t d[8] = {};
#else
  int32_t d[8] = {};
#endif
};

struct InterfaceInfo {
  char const* kind;
  int32_t major;
  int32_t minor;
};

class VRoot {
 public:
  virtual ~VRoot() noexcept = default;
};

// What a caller holds: its own table first, then the implementation.
template <class V>
class Interface {
 public:
  virtual ~Interface() noexcept = default;

 protected:
  V* mImpl = nullptr;
};

#include FAKE_INTERFACES

namespace fake {

extern ILogger* logger;

enum Severity : int32_t { INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE };
inline void log(int32_t severity, std::string const& text) {
  if (logger != nullptr) logger->log(severity, text.c_str());
}

inline std::string text(Dims const& dims) {
  std::string out;
  for (int32_t i = 0; i < dims.nbDims; ++i) out += (i > 0 ? "x" : "") + std::to_string(dims.d[i]);
  return out;
}

inline Dims dimsFrom(std::string const& shape) {
  Dims dims;
  std::istringstream parts(shape);
  for (std::string part; std::getline(parts, part, 'x') && dims.nbDims < 8;) {
    dims.d[dims.nbDims++] = static_cast<decltype(dims.d[0] + 0)>(atoll(part.c_str()));
  }
  return dims;
}

inline bool dynamic(Dims const& dims) {
  for (int32_t i = 0; i < dims.nbDims; ++i) {
    if (dims.d[i] < 0) return true;
  }
  return false;
}

inline int64_t elements(Dims const& dims) {
  int64_t count = 1;
  for (int32_t i = 0; i < dims.nbDims; ++i) count *= dims.d[i];
  return count;
}

// An object: what the caller holds and its implementation in one. Its end is in the journal.
template <class V>
class Object : public Interface<V>, public V {
 public:
  explicit Object(char const* name) : name_(name) { Interface<V>::mImpl = this; }
  ~Object() noexcept override { record(std::string("delete ") + name_); }

 private:
  char const* const name_;
};

struct TensorSpec {
  int32_t mode;
  std::string name;
  int32_t type;
  Dims dims;
};

struct ProfileSpec {
  std::string input;
  Dims corners[3];
};

class HostMemory final : public Object<VHostMemory> {
 public:
  explicit HostMemory(std::string bytes) : Object("HostMemory"), bytes_(std::move(bytes)) {}
  void* data() noexcept { return bytes_.empty() ? nullptr : &bytes_[0]; }
  size_t size() noexcept { return bytes_.size(); }

 private:
  std::string bytes_;
};

class Tensor final : public Object<VTensor> {
 public:
  explicit Tensor(TensorSpec tensor) : Object("Tensor"), spec(std::move(tensor)) {}
  char const* getName() noexcept { return spec.name.c_str(); }
  Dims getDimensions() noexcept { return spec.dims; }
  int32_t getType() noexcept { return spec.type; }
  bool isShapeTensor() noexcept { return spec.mode == 1; }

  TensorSpec const spec;
};

class Network final : public Object<VNetworkDefinition> {
 public:
  Network() : Object("Network") {}
  int32_t getNbLayers() noexcept { return layers; }
  int32_t getNbInputs() noexcept { return count(1); }
  ITensor* getInput(int32_t index) noexcept { return at(1, index); }
  int32_t getNbOutputs() noexcept { return count(2); }
  ITensor* getOutput(int32_t index) noexcept { return at(2, index); }

  int32_t layers = 0;
  std::vector<std::unique_ptr<Tensor>> tensors;

 private:
  int32_t count(int32_t mode) {
    int32_t found = 0;
    for (auto const& tensor : tensors) found += tensor->spec.mode == mode ? 1 : 0;
    return found;
  }
  Tensor* at(int32_t mode, int32_t index) {
    for (auto const& tensor : tensors) {
      if (tensor->spec.mode == mode && index-- == 0) return tensor.get();
    }
    return nullptr;
  }
};

class OptimizationProfile final : public Object<VOptimizationProfile> {
 public:
  OptimizationProfile() : Object("OptimizationProfile") {}
#if FAKE_WIDE
  bool setDimensions(char const* name, int32_t selector, Dims const& dims) noexcept {
#else
  bool setDimensions(char const* name, int32_t selector, Dims dims) noexcept {
#endif
    record("OptimizationProfile.setDimensions(" + std::string(name) + ", " + std::to_string(selector) + ", " +
           text(dims) + ")");
    if (selector < 0 || selector > 2) return false;
    for (ProfileSpec& profile : profiles) {
      if (profile.input == name) {
        profile.corners[selector] = dims;
        return true;
      }
    }
    profiles.push_back({name, {}});
    profiles.back().corners[selector] = dims;
    return true;
  }
  bool isValid() noexcept {
    record("OptimizationProfile.isValid()");
    return script("profile") != "invalid";
  }

  std::vector<ProfileSpec> profiles;
};

class TimingCache final : public Object<VTimingCache> {
 public:
  TimingCache() : Object("TimingCache") {}
  IHostMemory* serialize() noexcept {
    record("TimingCache.serialize()");
    return new HostMemory("TIMING" + std::to_string(entries));
  }
  int entries = 0;
};

class BuilderConfig final : public Object<VBuilderConfig> {
 public:
  BuilderConfig() : Object("BuilderConfig") {}
  void setFlag(int32_t flag) noexcept {
    record("BuilderConfig.setFlag(" + std::to_string(flag) + ")");
    if (flag != PINNED) flags |= 1u << flag;
  }
  void clearFlag(int32_t flag) noexcept {
    record("BuilderConfig.clearFlag(" + std::to_string(flag) + ")");
    flags &= ~(1u << flag);
  }
  bool getFlag(int32_t flag) noexcept { return (flags >> flag & 1u) != 0; }
  uint32_t getFlags() noexcept { return flags; }
  void setMemoryPoolLimit(int32_t pool, size_t bytes) noexcept {
    record("BuilderConfig.setMemoryPoolLimit(" + std::to_string(pool) + ", " + std::to_string(bytes) + ")");
    pools[pool] = bytes;
  }
  size_t getMemoryPoolLimit(int32_t pool) noexcept { return pools[pool]; }
  int32_t addOptimizationProfile(IOptimizationProfile const* profile) noexcept {
    profiles.push_back(static_cast<OptimizationProfile const*>(profile));
    record("BuilderConfig.addOptimizationProfile()");
    return static_cast<int32_t>(profiles.size()) - 1;
  }
  int32_t getNbOptimizationProfiles() noexcept { return static_cast<int32_t>(profiles.size()); }
  ITimingCache* createTimingCache(void const* blob, size_t size) noexcept {
    record("BuilderConfig.createTimingCache(" + std::to_string(size) + ")");
    if (size > 0 && (size < 6 || memcmp(blob, "TIMING", 6) != 0)) {
      log(ERROR, "ITimingCache: Error Code 3: API Usage Error (the serialized cache is damaged)");
      return nullptr;
    }
    auto* const cache = new TimingCache;
    if (size > 6) cache->entries = atoi(std::string(static_cast<char const*>(blob) + 6, size - 6).c_str());
    return cache;
  }
  bool setTimingCache(ITimingCache const& cache, bool ignoreMismatch) noexcept {
    record(std::string("BuilderConfig.setTimingCache(") + (ignoreMismatch ? "1" : "0") + ")");
    timingCache = static_cast<TimingCache const*>(&cache);
    return true;
  }
  ITimingCache const* getTimingCache() noexcept { return timingCache; }
#define FAKE_SETTING(setter, getter, member, initial)                            \
  void setter(int32_t value) noexcept {                                         \
    record("BuilderConfig." #setter "(" + std::to_string(value) + ")");        \
    member = value;                                                             \
  }                                                                             \
  int32_t getter() noexcept { return member; }                                  \
  int32_t member = initial;
  FAKE_SETTING(setBuilderOptimizationLevel, getBuilderOptimizationLevel, optimizationLevel, 3)
  FAKE_SETTING(setProfilingVerbosity, getProfilingVerbosity, profilingVerbosity, 0)
  FAKE_SETTING(setHardwareCompatibilityLevel, getHardwareCompatibilityLevel, hardwareCompatibility, 0)
  FAKE_SETTING(setDLACore, getDLACore, dlaCore, -1)
  FAKE_SETTING(setDefaultDeviceType, getDefaultDeviceType, defaultDevice, 0)
  FAKE_SETTING(setAvgTimingIterations, getAvgTimingIterations, timingIterations, 1)
  bool setTacticSources(uint32_t sources) noexcept {
    record("BuilderConfig.setTacticSources(" + std::to_string(sources) + ")");
    tacticSources = sources;
    return true;
  }
  uint32_t getTacticSources() noexcept { return tacticSources; }
#if FAKE_RTX ? FAKE_MINOR >= 5 : FAKE_MAJOR >= 11
  bool setMaxAuxStreams(int32_t streams) noexcept {
    record("BuilderConfig.setMaxAuxStreams(" + std::to_string(streams) + ")");
    return true;
  }
#else
  void setMaxAuxStreams(int32_t streams) noexcept {
    record("BuilderConfig.setMaxAuxStreams(" + std::to_string(streams) + ")");
  }
#endif
  void setProgressMonitor(IProgressMonitor* progress) noexcept {
    record(std::string("BuilderConfig.setProgressMonitor(") + (progress != nullptr ? "monitor" : "null") + ")");
    monitor = progress;
  }
  bool setNbComputeCapabilities(int32_t count) noexcept {
    record("BuilderConfig.setNbComputeCapabilities(" + std::to_string(count) + ")");
    targets.assign(static_cast<size_t>(count), 1);
    return true;
  }
  bool setComputeCapability(int32_t capability, int32_t index) noexcept {
    record("BuilderConfig.setComputeCapability(" + std::to_string(capability) + ", " + std::to_string(index) + ")");
    for (int32_t const known : {1, 75, 80, 86, 89, 120, 121}) {
      if (known == capability) {
        targets[static_cast<size_t>(index)] = capability;
        return true;
      }
    }
    log(ERROR, "IBuilderConfig::setComputeCapability: Error Code 3: API Usage Error (Parameter check failed, "
               "Compute capability is invalid or not supported.)");
    return false;
  }
  int32_t getComputeCapability(int32_t index) noexcept { return targets[static_cast<size_t>(index)]; }

  // DEBUG does not stick when the script says so.
  int32_t const PINNED = script("flag") == "stuck" ? 2 : -1;
  uint32_t flags = 1u << FAKE_TF32_BIT;
  std::map<int32_t, size_t> pools;
  std::vector<OptimizationProfile const*> profiles;
  TimingCache const* timingCache = nullptr;
  uint32_t tacticSources = 24;
  IProgressMonitor* monitor = nullptr;
  std::vector<int32_t> targets;
};

}  // namespace fake
