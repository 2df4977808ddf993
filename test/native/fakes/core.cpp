// The exported functions of a fake core library.
#include <csignal>
#include <mutex>
#include <set>

#include "run.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

ILogger* fake::logger = nullptr;

namespace {

std::mutex journalMutex;
std::string journal;
std::set<std::string> creators;

// Takes the caller's logger, and asks a versioned one who it is.
bool takeLogger(void* given) {
  auto* const logger = static_cast<ILogger*>(given);
#if FAKE_VERSIONED_LOGGER
  InterfaceInfo const info = logger->getInterfaceInfo();
  if (logger->getAPILanguage() != 0 || strcmp(info.kind, "ILogger") != 0 || info.major != 1 || info.minor != 0) {
    fake::trap("logger of the wrong layout");
    return false;
  }
#endif
  fake::logger = logger;
  return true;
}

class PluginRegistry final : public IPluginRegistry {
 public:
  void* find(char const* name, char const* version, char const* space) {
    bool const known = creators.count(name) > 0 && strcmp(version, "1") == 0 && *space == 0;
    return known ? this : nullptr;
  }
  void* getPluginCreator(char const* name, char const* version, char const* space) noexcept {
    return find(name, version, space);
  }
  void* getCreator(char const* name, char const* version, char const* space) noexcept { return find(name, version, space); }
};

// The script for making builders and runtimes; true when it says what to return.
bool scripted(char const* what, void*& result) {
  std::string const wish = fake::script(what);
  if (wish == "null") {
    fake::log(fake::ERROR, fake::smVerHex2Dig());
    result = nullptr;
    return true;
  }
  if (wish == "near-null") {
    fake::log(fake::ERROR, "createInfer: Error Code 6: API Usage Error (CUDA initialization failure with error: 35)");
    fake::log(fake::ERROR, "[checkMacros.cpp::catchCudaError] Error Code 1: Cuda Runtime (follow-up)");
    result = reinterpret_cast<void*>(0x228);
    return true;
  }
  if (wish == "error") fake::log(fake::ERROR, "createInfer: Error Code 6: API Usage Error (something is wrong)");
  return false;
}

}  // namespace

EXPORT void fake_record(char const* line) {
  std::lock_guard<std::mutex> lock(journalMutex);
  journal.append(line).append("\n");
}

EXPORT uint64_t fake_journal_take(char* text, uint64_t capacity) {
  std::lock_guard<std::mutex> lock(journalMutex);
  uint64_t const length = journal.size();
  if (length <= capacity) {
    memcpy(text, journal.data(), length);
    journal.clear();
  }
  return length;
}

EXPORT void fake_register_plugin(char const* name) { creators.insert(name); }
EXPORT bool fake_has_plugin(char const* name) { return creators.count(name) > 0; }
EXPORT ILogger* fake_logger() { return fake::logger; }

EXPORT int32_t getInferLibVersion() { return FAKE_RAW; }
#if FAKE_MAJOR >= 10 || FAKE_RTX
EXPORT int32_t getInferLibBuildVersion() { return 7; }
#endif

EXPORT void* getPluginRegistry() {
  static PluginRegistry registry;
  return static_cast<IPluginRegistry*>(&registry);
}

EXPORT void* createInferBuilder_INTERNAL(void* logger, int32_t version) {
  fake::record("createInferBuilder_INTERNAL(" + std::to_string(version) + ")");
  void* result = nullptr;
  if (!takeLogger(logger) || scripted("builder", result)) return result;
  return static_cast<IBuilder*>(new fake::Builder);
}

EXPORT void* createInferRuntime_INTERNAL(void* logger, int32_t version) {
  fake::record("createInferRuntime_INTERNAL(" + std::to_string(version) + ")");
  void* result = nullptr;
  if (!takeLogger(logger) || scripted("runtime", result)) return result;
  return static_cast<IRuntime*>(new fake::Runtime);
}
