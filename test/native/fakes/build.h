// What a fake builder does, and the plan it makes: a header as NVIDIA's (magic, sizes, version), then lines of text.
#pragma once

#include <csignal>

#include "objects.h"

namespace fake {

inline std::string planFrom(Network& network, BuilderConfig const& config) {
  std::ostringstream lines;
  for (auto const& tensor : network.tensors) {
    lines << "tensor " << tensor->spec.mode << ' ' << tensor->spec.name << ' ' << tensor->spec.type << ' '
          << text(tensor->spec.dims) << '\n';
  }
  int index = 0;
  for (OptimizationProfile const* profile : config.profiles) {
    for (ProfileSpec const& spec : profile->profiles) {
      lines << "profile " << index << ' ' << spec.input << ' ' << text(spec.corners[0]) << ' ' << text(spec.corners[1])
            << ' ' << text(spec.corners[2]) << '\n';
    }
    ++index;
  }
  lines << "flags " << config.flags << "\nlayers " << network.layers << '\n';
  std::string plan(32, '\0');
  memcpy(&plan[0], FAKE_RTX ? "vtrt" : "ftrt", 4);
  plan += lines.str();
  int64_t const size = static_cast<int64_t>(plan.size());
  memcpy(&plan[16], &size, sizeof size);
  plan[24] = FAKE_MAJOR;
  plan[25] = FAKE_MINOR;
  plan[26] = FAKE_PATCH;
  plan[27] = 7;
  return plan;
}

// Two nested phases; false when the caller wants to stop. TRTD_FAKE step=MS slows each step down.
inline bool reportProgress(IProgressMonitor* monitor) {
#if FAKE_MAJOR >= 9 || FAKE_RTX
  if (monitor == nullptr) return true;
  int const pause = atoi(script("step").c_str());
  int const steps = pause > 0 ? 100 : 3;
  monitor->phaseStart("Building Engine", nullptr, 2);
  monitor->phaseStart("Timing Tactics", "Building Engine", steps);
  for (int step = 0; step < steps; ++step) {
    if (pause > 0) usleep(static_cast<unsigned>(pause) * 1000u);
    if (!monitor->stepComplete("Timing Tactics", step)) {
      monitor->phaseFinish("Timing Tactics");
      monitor->phaseFinish("Building Engine");
      return false;
    }
  }
  monitor->phaseFinish("Timing Tactics");
  monitor->stepComplete("Building Engine", 0);
  monitor->phaseFinish("Building Engine");
#else
  (void)monitor;
#endif
  return true;
}

inline char const* smVerHex2Dig() {
  return "2: [helpers.h::smVerHex2Dig::694] Error Code 2: Internal Error (Assertion major >= 0 && major < 10 failed. )";
}

// Whether memory runs out: oomworkspace=BYTES, oomlevel=N and oombatch=N name the most that fits.
inline bool runsOut(BuilderConfig const& config) {
  std::string const workspace = script("oomworkspace");
  std::string const level = script("oomlevel");
  std::string const batch = script("oombatch");
  auto const pool = config.pools.find(0);
  if (!workspace.empty() && (pool == config.pools.end() || pool->second > strtoull(workspace.c_str(), nullptr, 10))) return true;
  if (!level.empty() && config.optimizationLevel > atoi(level.c_str())) return true;
  if (batch.empty()) return false;
  for (OptimizationProfile const* profile : config.profiles) {
    for (ProfileSpec const& spec : profile->profiles) {
      if (spec.corners[2].d[0] > atoi(batch.c_str())) return true;
    }
  }
  return false;
}

inline IHostMemory* build(Network& network, BuilderConfig& config) {
  std::string const wish = script("build");
  for (int i = 0, lines = atoi(script("flood").c_str()); i < lines; ++i) {
    log(VERBOSE, "Tactic: 0x" + std::to_string(i) + " Time: 0.0123");
  }
  if (wish == "abort") {
    log(INTERNAL_ERROR, "[fake::assert] Assertion failed: the line before the abort");
    abort();
  }
  if (wish == "crash") {
    log(ERROR, "The line before the crash");
    *reinterpret_cast<int volatile*>(8) = 1;
  }
  if (wish == "hang") {
    log(INFO, "The build goes round in circles");
    for (int i = 0; i < 600; ++i) usleep(100000);
  }
  bool const outOfMemory = runsOut(config);
  if (wish == "kill" || (wish == "oomkill" && outOfMemory)) raise(SIGKILL);
  if (wish == "oom" || outOfMemory) {
    log(ERROR, "1: [defaultAllocator.cpp::allocate::31] Error Code 1: Cuda Runtime (out of memory)");
    log(ERROR, "IBuilder::buildSerializedNetwork: Error Code 2: OutOfMemory (Requested amount of GPU memory (4294967296 "
               "bytes) could not be allocated. There may not be enough free memory)");
    return nullptr;
  }
  if (wish == "near-null") return reinterpret_cast<IHostMemory*>(0x228);
  if (wish == "empty") return new HostMemory("");
  if (wish == "error-logged") log(ERROR, "Skipping tactic 0x1 due to insufficient memory");
  if (wish == "null" || (FAKE_MAJOR < 10 && !FAKE_RTX && computeMajor() >= 10)) {
    log(ERROR, smVerHex2Dig());
    return nullptr;
  }
  if (network.getNbOutputs() == 0) {
    log(ERROR, "IBuilder::buildSerializedNetwork: Error Code 4: API Usage Error (Network must have at least one output)");
    return nullptr;
  }
  for (auto const& tensor : network.tensors) {
    if (tensor->spec.mode == 1 && dynamic(tensor->spec.dims) && config.profiles.empty()) {
      log(ERROR, "IBuilder::buildSerializedNetwork: Error Code 4: API Usage Error (Network has dynamic or shape inputs, "
                 "but no optimization profile has been defined.)");
      return nullptr;
    }
  }
  if (!reportProgress(config.monitor)) {
    log(WARNING, "Process cancelled by the progress monitor");
    return nullptr;
  }
  if (config.timingCache != nullptr) ++const_cast<TimingCache*>(config.timingCache)->entries;
  return new HostMemory(planFrom(network, config));
}

class Builder final : public Object<VBuilder> {
 public:
  Builder() : Object("Builder") {}
  INetworkDefinition* createNetworkV2(uint32_t flags) noexcept {
    record("Builder.createNetworkV2(" + std::to_string(flags) + ")");
    if (FAKE_MAJOR < 10 && !FAKE_RTX && (flags & 1u) == 0) {
      log(ERROR, "3: [builder.cpp::createNetworkV2] Error Code 3: API Usage Error (explicit batch is required)");
      return nullptr;
    }
    if (FAKE_RTX && flags > 1) return nullptr;
    return new Network;
  }
  IBuilderConfig* createBuilderConfig() noexcept {
    record("Builder.createBuilderConfig()");
    return new BuilderConfig;
  }
  IOptimizationProfile* createOptimizationProfile() noexcept {
    record("Builder.createOptimizationProfile()");
    profiles_.push_back(std::make_unique<OptimizationProfile>());
    return profiles_.back().get();
  }
  IHostMemory* buildSerializedNetwork(INetworkDefinition& network, IBuilderConfig& config) noexcept {
    record("Builder.buildSerializedNetwork()");
    return build(static_cast<Network&>(network), static_cast<BuilderConfig&>(config));
  }
  bool platformHasFastFp16() noexcept { return true; }
  bool platformHasFastInt8() noexcept { return false; }
  bool platformHasTf32() noexcept { return true; }
  int32_t getNbDLACores() noexcept { return 2; }
  bool setMaxThreads(int32_t threads) noexcept {
    record("Builder.setMaxThreads(" + std::to_string(threads) + ")");
    threads_ = threads;
    return threads < 100;
  }
  int32_t getMaxThreads() noexcept { return threads_; }

 private:
  int32_t threads_ = 1;
  std::vector<std::unique_ptr<OptimizationProfile>> profiles_;
};

}  // namespace fake
