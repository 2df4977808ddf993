// Harmless getters with known answers, asked through the slots.
#include "cuda/cuda.h"
#include "library.h"

namespace trtd {
namespace {

class Check {
 public:
  explicit Check(const Library& library) : library_(library) {}

  void equal(const char* what, int64_t found, int64_t expected) {
    if (found != expected) wrong(what, std::to_string(found), std::to_string(expected));
    ++passed;
  }

  void between(const char* what, int64_t found, int64_t least, int64_t most) {
    if (found < least || found > most) {
      wrong(what, std::to_string(found), std::to_string(least) + " to " + std::to_string(most));
    }
    ++passed;
  }

  int32_t passed = 0;

 private:
  [[noreturn]] void wrong(const char* what, const std::string& found, const std::string& expected) const {
    fail(TRTD_ABI_MISMATCH, std::string(what) + " gave " + found + " where " + expected + " was expected: " +
                                library_.name() + " does not fit the slots of family " + library_.row().name);
  }

  const Library& library_;
};

void checkConfig(const Library& library, void* builder, Check& check) {
  const Burst burst(*library.log);
  Native config(checkedResult(library.call<void*>(builder, Builder_createBuilderConfig), burst, TRTD_NULL_RESULT,
                              "createBuilderConfig"));
  const auto ask = [&](Method method) { return library.call<int32_t>(config.get(), method); };
  const auto set = [&](Method method, int32_t value) { library.call<void>(config.get(), method, value); };
  const int tf32 = flagNumber(library.identity.family, library.identity.version, TRTD_FLAG_TF32);
  const int debug = flagNumber(library.identity.family, library.identity.version, TRTD_FLAG_DEBUG);

  check.equal("IBuilderConfig::getFlags of a fresh config", ask(BuilderConfig_getFlags), int64_t{1} << tf32);
  set(BuilderConfig_setFlag, debug);
  check.equal("IBuilderConfig::getFlags after setFlag", ask(BuilderConfig_getFlags), (1 << tf32) | (1 << debug));
  check.equal("IBuilderConfig::getFlag", library.call<bool>(config.get(), BuilderConfig_getFlag, debug), 1);
  set(BuilderConfig_clearFlag, debug);
  check.equal("IBuilderConfig::getFlags after clearFlag", ask(BuilderConfig_getFlags), int64_t{1} << tf32);
  check.equal("IBuilderConfig::getNbOptimizationProfiles", ask(BuilderConfig_getNbOptimizationProfiles), 0);
  check.equal("IBuilderConfig::getProfilingVerbosity", ask(BuilderConfig_getProfilingVerbosity), 0);
  check.equal("IBuilderConfig::getDefaultDeviceType", ask(BuilderConfig_getDefaultDeviceType), 0);
  set(BuilderConfig_setAvgTimingIterations, 3);
  check.equal("IBuilderConfig::getAvgTimingIterations", ask(BuilderConfig_getAvgTimingIterations), 3);
  if (library.has(BuilderConfig_getBuilderOptimizationLevel)) {
    check.equal("IBuilderConfig::getBuilderOptimizationLevel", ask(BuilderConfig_getBuilderOptimizationLevel), 3);
    set(BuilderConfig_setBuilderOptimizationLevel, 1);
    check.equal("IBuilderConfig::getBuilderOptimizationLevel after setting 1",
                ask(BuilderConfig_getBuilderOptimizationLevel), 1);
  }
  if (library.has(BuilderConfig_getHardwareCompatibilityLevel)) {
    check.equal("IBuilderConfig::getHardwareCompatibilityLevel", ask(BuilderConfig_getHardwareCompatibilityLevel), 0);
  }
  constexpr size_t WORKSPACE = size_t{16} << 20;
  library.call<void>(config.get(), BuilderConfig_setMemoryPoolLimit, int32_t{TRTD_POOL_WORKSPACE}, WORKSPACE);
  check.equal("IBuilderConfig::getMemoryPoolLimit after setting 16 MiB",
              static_cast<int64_t>(library.call<size_t>(config.get(), BuilderConfig_getMemoryPoolLimit,
                                                        int32_t{TRTD_POOL_WORKSPACE})),
              static_cast<int64_t>(WORKSPACE));
  if (burst.any()) burst.fail(TRTD_ABI_MISMATCH, library.name() + " logged an error during the self-check");
}

void checkBuilder(const Library& library, Check& check) {
  const Burst burst(*library.log);
  Native builder(checkedResult(library.createBuilder(library.logger, library.rawVersion), burst, TRTD_NULL_RESULT,
                               "createInferBuilder"));
  check.equal("IBuilder::getMaxThreads", library.call<int32_t>(builder.get(), Builder_getMaxThreads), 1);
  check.between("IBuilder::getNbDLACores", library.call<int32_t>(builder.get(), Builder_getNbDLACores), 0, 16);
  checkConfig(library, builder.get(), check);
  const Family& row = library.row();
  const uint32_t flags = row.explicitBatchBit >= 0 ? 1u << row.explicitBatchBit : 0u;
  Native network(checkedResult(library.call<void*>(builder.get(), Builder_createNetworkV2, flags), burst,
                               TRTD_NULL_RESULT, "createNetworkV2"));
  for (const Method method : {NetworkDefinition_getNbLayers, NetworkDefinition_getNbInputs, NetworkDefinition_getNbOutputs}) {
    check.equal(methodName(method), library.call<int32_t>(network.get(), method), 0);
  }
}

void checkRuntime(const Library& library, Check& check) {
  const Burst burst(*library.log);
  Native runtime(checkedResult(library.createRuntime(library.logger, library.rawVersion), burst, TRTD_NULL_RESULT,
                               "createInferRuntime"));
  check.equal("IRuntime::getMaxThreads", library.call<int32_t>(runtime.get(), Runtime_getMaxThreads), 1);
  if (library.has(Runtime_getEngineHostCodeAllowed)) {
    check.equal("IRuntime::getEngineHostCodeAllowed",
                library.call<bool>(runtime.get(), Runtime_getEngineHostCodeAllowed), 0);
  }
}

}  // namespace
}  // namespace trtd

using namespace trtd;

extern "C" {

int32_t trtd_library_self_check(uint64_t library, int32_t flags, int32_t* checks, trtd_error* error) {
  return guard(error, [&] {
    require(checks != nullptr, "\"checks\" must not be NULL");
    const Locked<Library> target(library);
    requireDriver(*target, flags);
    Check check(*target);
    if (target->createBuilder != nullptr) checkBuilder(*target, check);
    checkRuntime(*target, check);
    *checks = check.passed;
  });
}
}
