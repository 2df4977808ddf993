#include "nvjpeg.h"

#include <dlfcn.h>

#include <map>
#include <mutex>
#include <vector>

#include "base/dynamic.h"

namespace trtd {
namespace {

enum Property { MAJOR = 0, MINOR = 1, PATCH = 2 };

// Majors that are known, newest first; each is CUDA's, and needs a driver of that major or later.
constexpr int MAJORS[] = {13, 12, 11};

// The loader's path, then folders of CUDA's packages that are often not on it.
const char* const FOLDERS[] = {
    "",
    "/usr/local/cuda/lib64/",
#if defined(__aarch64__)
    "/usr/local/cuda/targets/aarch64-linux/lib/",
    "/usr/local/cuda/targets/sbsa-linux/lib/",
#else
    "/usr/local/cuda/targets/x86_64-linux/lib/",
#endif
};

std::vector<std::string> usualPlaces(int driverMajor) {
  std::vector<std::string> places;
  for (const char* folder : FOLDERS) {
    for (const int major : MAJORS) {
      if (major <= driverMajor) places.push_back(std::string(folder) + "libnvjpeg.so." + std::to_string(major));
    }
  }
  return places;
}

struct Opened {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<const NvJpeg>> libraries;
};

Opened& opened() {
  static Opened* const instance = new Opened;
  return *instance;
}

std::shared_ptr<const NvJpeg> bind(void* library, const std::string& path) {
  auto api = std::make_shared<NvJpeg>();
  api->library = library;
  api->path = path;
  const auto need = [&](const char* symbol, auto& target) {
    if (load(library, symbol, target)) return;
    fail(TRTD_SYMBOL_MISSING, "\"" + path + "\" has no " + symbol + ": it is not nvJPEG or older than CUDA 11",
         TRTD_ORIGIN_SYSTEM);
  };
#define NVJPEG(member, symbol, parameters) need(symbol, api->member);
#include "nvjpeg.inc"
#undef NVJPEG
  load(library, "nvjpegGetHardwareDecoderInfo", api->getHardwareDecoderInfo);
  int parts[] = {0, 0, 0};
  for (const Property part : {MAJOR, MINOR, PATCH}) {
    if (api->getProperty(part, &parts[part]) != NVJPEG_OK) {
      fail(TRTD_SYMBOL_MISSING, "\"" + path + "\" does not tell its version: it is not nvJPEG", TRTD_ORIGIN_SYSTEM);
    }
  }
  api->version = parts[MAJOR] * 10000 + parts[MINOR] * 100 + parts[PATCH];
  return api;
}

}  // namespace

std::shared_ptr<const NvJpeg> openNvJpeg(const char* path, int driverMajor) {
  std::lock_guard<std::mutex> lock(opened().mutex);
  const std::string key = path != nullptr ? path : "";
  const auto known = opened().libraries.find(key);
  if (known != opened().libraries.end()) return known->second;
  std::string tried;
  const auto attempt = [&](const std::string& name) -> std::shared_ptr<const NvJpeg> {
    void* const library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) return bind(library, name);
    tried += (tried.empty() ? "" : "; ") + loaderMessage();
    return nullptr;
  };
  std::shared_ptr<const NvJpeg> api;
  if (path != nullptr) {
    api = attempt(path);
  } else {
    for (const std::string& name : usualPlaces(driverMajor)) {
      if ((api = attempt(name)) != nullptr) break;
    }
  }
  if (!api) fail(TRTD_LIBRARY_NOT_LOADED, "nvJPEG cannot be opened: " + tried, TRTD_ORIGIN_SYSTEM);
  opened().libraries.emplace(key, api);
  return api;
}

const char* nvJpegStatusName(int status) {
  static const char* const names[] = {"success",
                                      "not initialized",
                                      "invalid parameter",
                                      "bad JPEG",
                                      "JPEG not supported",
                                      "memory ran out",
                                      "execution failed",
                                      "built for another architecture",
                                      "internal error",
                                      "not implemented",
                                      "incomplete bitstream"};
  const auto count = static_cast<int>(sizeof names / sizeof *names);
  return status >= 0 && status < count ? names[status] : "an unknown status";
}

}  // namespace trtd
