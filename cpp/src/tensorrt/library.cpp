#include "library.h"

#include <dlfcn.h>
#include <link.h>

#include <climits>
#include <cstdlib>
#include <map>

#include "cuda/cuda.h"
#include "base/dynamic.h"

namespace trtd {
namespace {

struct Registry {
  std::mutex mutex;
  std::map<void*, std::shared_ptr<Library>> libraries;  // by the loader's handle
};

// Never destroyed: the loggers in it must outlive everything.
Registry& registry() {
  static Registry* const instance = new Registry;
  return *instance;
}

void* openLibrary(const char* path) {
  require(path != nullptr && *path != 0, "\"path\" must not be empty");
  void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    fail(TRTD_LIBRARY_NOT_LOADED, std::string("\"") + path + "\" cannot be loaded: " + loaderMessage(),
         TRTD_ORIGIN_SYSTEM);
  }
  return library;
}

std::string realPathOf(void* library, const char* fallback) {
  link_map* map = nullptr;
  if (dlinfo(library, RTLD_DI_LINKMAP, &map) != 0 || map == nullptr || map->l_name == nullptr) return fallback;
  char resolved[PATH_MAX];
  return realpath(map->l_name, resolved) != nullptr ? resolved : map->l_name;
}

// DT_SONAME, empty when the library has none.
std::string sonameOf(void* library) {
  link_map* map = nullptr;
  if (dlinfo(library, RTLD_DI_LINKMAP, &map) != 0 || map == nullptr) return {};
  const char* strings = nullptr;
  ElfW(Xword) offset = 0;
  bool found = false;
  for (const ElfW(Dyn)* entry = map->l_ld; entry->d_tag != DT_NULL; ++entry) {
    if (entry->d_tag == DT_STRTAB) strings = reinterpret_cast<const char*>(entry->d_un.d_ptr);
    if (entry->d_tag == DT_SONAME) {
      offset = entry->d_un.d_val;
      found = true;
    }
  }
  return found && strings != nullptr ? strings + offset : "";
}

std::string baseName(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

// The number behind ".so." in a soname, -1 without one.
int majorOf(const std::string& soname) {
  const size_t at = soname.find(".so.");
  return at == std::string::npos ? -1 : std::atoi(soname.c_str() + at + 4);
}

// The soname, or the file name where there is none.
std::string labelOf(void* library, const std::string& path) {
  const std::string soname = sonameOf(library);
  return soname.empty() ? baseName(path) : soname;
}

// The part belongs to the core: same product, same major, and tied to this very core where it is tied to one. With two
// TensorRTs of one major in a process the loader ties every parser to the core that was opened first.
void requireSameRelease(const Library& library, void* part, const std::string& path) {
  const std::string label = labelOf(part, path);
  const int major = majorOf(label);
  const bool rtxPart = label.find("_rtx") != std::string::npos;
  if (rtxPart != library.row().rtx || (major >= 0 && major != library.identity.major)) {
    fail(TRTD_LIBRARY_MISMATCH,
         "\"" + path + "\" (" + label + ") does not belong to " + library.name() + " (\"" + library.corePath + "\")");
  }
  void* const own = dlsym(library.core, "getInferLibVersion");
  void* const tied = dlsym(part, "getInferLibVersion");
  if (tied != nullptr && tied != own) {
    Dl_info other{};
    dladdr(tied, &other);
    fail(TRTD_LIBRARY_MISMATCH, "\"" + path + "\" is tied to \"" + (other.dli_fname != nullptr ? other.dli_fname : "?") +
                                    "\", not to \"" + library.corePath + "\": use one of them in a process");
  }
}

}  // namespace

Library::Library(void* coreLibrary, std::string path, bool force)
    : Object(KIND), core(coreLibrary), corePath(std::move(path)) {
  int32_t (*version)() = nullptr;
  if (!load(core, "getInferLibVersion", version)) {
    fail(TRTD_SYMBOL_MISSING, "\"" + corePath + "\" has no getInferLibVersion: it is no TensorRT core library",
         TRTD_ORIGIN_SYSTEM);
  }
  rawVersion = version();
  const bool builder = load(core, "createInferBuilder_INTERNAL", createBuilder);
  identity = identify(rawVersion, force, !builder);
  if (identity.family < 0) {
    fail(TRTD_VERSION_UNKNOWN, "\"" + corePath + "\" is " + productText(identity) + " (it reports " +
                                   std::to_string(rawVersion) + "); this trtd knows " + knownVersions());
  }
  int32_t (*buildNumber)() = nullptr;
  if (load(core, "getInferLibBuildVersion", buildNumber)) build = buildNumber();
  if (!load(core, "createInferRuntime_INTERNAL", createRuntime)) {
    fail(TRTD_SYMBOL_MISSING,
         "\"" + corePath + "\" has no createInferRuntime_INTERNAL: it is no TensorRT core library",
         TRTD_ORIGIN_SYSTEM);
  }
  load(core, "getPluginRegistry", pluginRegistry);
  if (!builder) {
    kind = labelOf(core, corePath).find("dispatch") != std::string::npos ? TRTD_LIBRARY_DISPATCH : TRTD_LIBRARY_LEAN;
  }
  log = std::make_unique<LibraryLog>((identity.product == TRTD_PRODUCT_TENSORRT_RTX ? "rtx-" : "tensorrt-") +
                                     versionText(identity.version));
  logger = newLogger(row(), *log);
  // The builder opens its resource files by name: tell it where its own folder is, where that can be told.
  bool (*setLibraryPath)(const char*) = nullptr;
  const size_t slash = corePath.rfind('/');
  if (builder && slash != std::string::npos && load(core, "setInternalLibraryPath", setLibraryPath)) {
    setLibraryPath(corePath.substr(0, slash).c_str());
  }
}

int Library::slot(Method method) const {
  const int number = slotOf(identity.family, identity.version, method);
  if (number < 0) {
    std::string text = methodName(method);
    text.replace(text.find('_'), 1, ".");
    fail(TRTD_UNSUPPORTED, name() + " has no " + text);
  }
  return number;
}

trtd_dims Library::dimsFrom(const Dims32& dims) {
  trtd_dims out{};
  out.count = dims.count < 0 || dims.count > 8 ? -1 : dims.count;
  for (int32_t i = 0; i < out.count; ++i) out.size[i] = dims.size[i];
  return out;
}

trtd_dims Library::dimsFrom(const Dims64& dims) {
  trtd_dims out{};
  out.count = dims.count < 0 || dims.count > 8 ? -1 : dims.count;
  for (int32_t i = 0; i < out.count; ++i) out.size[i] = dims.size[i];
  return out;
}

void* checkedResult(void* result, const Burst& burst, int32_t status, const std::string& call) {
  if (!isNull(result) && !burst.any()) return result;
  if (isNull(result)) {
    burst.fail(status, call + (result == nullptr ? " returned null" : " returned a pointer into the first page"));
  }
  deleteObject(result);
  burst.fail(status, call + " logged an error");
}

void requireDriver(const Library& library, int32_t flags) {
  require((flags & ~TRTD_CREATE_UNCHECKED) == 0, "\"flags\" has an unknown bit");
  if (library.row().needsDriver && (flags & TRTD_CREATE_UNCHECKED) == 0) cuda();
}

}  // namespace trtd

using namespace trtd;

extern "C" {

int32_t trtd_library_open(const char* path, int32_t flags, uint64_t* library, trtd_error* error) {
  return guard(error, [&] {
    requireOut(library, "\"library\" must not be NULL");
    require((flags & ~TRTD_OPEN_FORCE) == 0, "\"flags\" has an unknown bit");
    void* const core = openLibrary(path);
    std::lock_guard<std::mutex> lock(registry().mutex);
    std::shared_ptr<Library>& entry = registry().libraries[core];
    if (!entry || (entry->identity.forced && (flags & TRTD_OPEN_FORCE) == 0)) {
      auto opened = std::make_shared<Library>(core, realPathOf(core, path), (flags & TRTD_OPEN_FORCE) != 0);
      entry = std::move(opened);
    }
    *library = publish(entry);
  });
}

int32_t trtd_library_open_parser(uint64_t library, const char* path, trtd_error* error) {
  return guard(error, [&] {
    const Locked<Library> target(library);
    void* const part = openLibrary(path);
    const std::string real = realPathOf(part, path);
    void* (*create)(void*, void*, int) = nullptr;
    if (!load(part, "createNvOnnxParser_INTERNAL", create)) {
      fail(TRTD_SYMBOL_MISSING, "\"" + real + "\" has no createNvOnnxParser_INTERNAL: it is no ONNX parser library",
           TRTD_ORIGIN_SYSTEM);
    }
    requireSameRelease(*target, part, real);
    int (*version)() = nullptr;
    target->parserVersion = load(part, "getNvOnnxParserVersion", version) ? version() : 0;
    target->createParser = create;
    target->parser = part;
    target->parserPath = real;
  });
}

int32_t trtd_library_open_plugins(uint64_t library, const char* path, trtd_error* error) {
  return guard(error, [&] {
    const Locked<Library> target(library);
    if (target->row().rtx) fail(TRTD_UNSUPPORTED, target->name() + " has no plugin library");
    void* const part = openLibrary(path);
    const std::string real = realPathOf(part, path);
    bool (*initialize)(void*, const char*) = nullptr;
    if (!load(part, "initLibNvInferPlugins", initialize)) {
      fail(TRTD_SYMBOL_MISSING, "\"" + real + "\" has no initLibNvInferPlugins: it is no plugin library",
           TRTD_ORIGIN_SYSTEM);
    }
    requireSameRelease(*target, part, real);
    const Burst burst(*target->log);
    if (!initialize(target->logger, "")) burst.fail(TRTD_NULL_RESULT, "initLibNvInferPlugins returned false");
    target->plugins = part;
    target->pluginsPath = real;
  });
}

int32_t trtd_library_facts(uint64_t library, trtd_library_info* info, trtd_error* error) {
  return guard(error, [&] {
    require(info != nullptr, "\"info\" must not be NULL");
    const Locked<Library> target(library);
    const Identity& id = target->identity;
    trtd_library_info facts{};
    facts.product = id.product;
    facts.kind = target->kind;
    facts.family = id.family;
    facts.version = id.version;
    facts.raw_version = target->rawVersion;
    facts.major = id.major;
    facts.minor = id.minor;
    facts.patch = id.patch;
    facts.build = target->build;
    facts.evidence = id.evidence;
    facts.forced = id.forced ? 1 : 0;
    facts.has_parser = target->parser != nullptr ? 1 : 0;
    facts.has_plugins = target->plugins != nullptr ? 1 : 0;
    facts.parser_version = target->parserVersion;
    *info = facts;
  });
}

int32_t trtd_library_path(uint64_t library, int32_t part, char* text, uint64_t capacity, uint64_t* length,
                          trtd_error* error) {
  return guard(error, [&] {
    require(part >= TRTD_PART_CORE && part <= TRTD_PART_PLUGINS, "\"part\" must be 0 to 2");
    const Locked<Library> target(library);
    const std::string* const paths[] = {&target->corePath, &target->parserPath, &target->pluginsPath};
    giveText(*paths[part], text, capacity, length);
  });
}

int32_t trtd_library_has_plugin(uint64_t library, const char* name, const char* version, const char* space,
                                int32_t* present, trtd_error* error) {
  return guard(error, [&] {
    require(name != nullptr && version != nullptr && space != nullptr && present != nullptr,
            "\"name\", \"version\", \"space\" and \"present\" must not be NULL");
    const Locked<Library> target(library);
    if (target->pluginRegistry == nullptr) fail(TRTD_UNSUPPORTED, target->name() + " has no getPluginRegistry");
    void* const plugins = target->pluginRegistry();
    if (isNull(plugins)) fail(TRTD_NULL_RESULT, "getPluginRegistry returned null", TRTD_ORIGIN_TENSORRT);
    *present = isNull(target->callDirect<void*>(plugins, PluginRegistry_getCreator, name, version, space)) ? 0 : 1;
  });
}
}
