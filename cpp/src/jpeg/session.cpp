#include "session.h"

#include <map>
#include <mutex>
#include <tuple>

namespace trtd {

void nvJpegMade(const Cuda& cuda, const NvJpeg& api, int status, const char* function) {
  if (status == NVJPEG_OK) return;
  const std::string text = std::string(function) + " failed: " + nvJpegStatusName(status);
  // A context in error fails everything: say that, not its echo.
  cuda.check(cuda.streamSynchronize(nullptr), "cuStreamSynchronize");
  if (status == NVJPEG_ALLOCATOR_FAILURE) fail(TRTD_OUT_OF_MEMORY, text);
  fail(TRTD_UNSUPPORTED, "\"" + api.path + "\" cannot be used here: " + text);
}

std::shared_ptr<NvJpegSession> nvJpegSession(const Device& device, const char* path, int backend, bool interpolate) {
  static std::mutex mutex;
  static auto* const sessions = new std::map<std::tuple<std::string, int, int, bool>, std::weak_ptr<NvJpegSession>>;
  const std::lock_guard<std::mutex> lock(mutex);
  std::weak_ptr<NvJpegSession>& known = (*sessions)[{path != nullptr ? path : "", device.index, backend, interpolate}];
  if (auto session = known.lock()) return session;
  int version = 0;
  device.cuda->check(device.cuda->driverGetVersion(&version), "cuDriverGetVersion");
  auto session = std::make_shared<NvJpegSession>(openNvJpeg(path, version / 1000));
  const NvJpeg& api = *session->api;
  const auto create = [&](unsigned flags) { return api.createEx(backend, nullptr, nullptr, flags, &session->handle); };
  if (interpolate && api.version >= NVJPEG_INTERPOLATES) {
    session->interpolates = create(NVJPEG_FLAG_STRICT | NVJPEG_FLAG_INTERPOLATE) == NVJPEG_OK;
    if (!session->interpolates) session->handle = nullptr;
  }
  const int status = session->interpolates ? static_cast<int>(NVJPEG_OK) : create(NVJPEG_FLAG_STRICT);
  nvJpegMade(*device.cuda, api, status, "nvjpegCreateEx");
  unsigned cores = 0;
  if (api.getHardwareDecoderInfo != nullptr &&
      api.getHardwareDecoderInfo(session->handle, &session->engines, &cores) != NVJPEG_OK) {
    session->engines = 0;
  }
  if (backend == NVJPEG_HARDWARE && api.getHardwareDecoderInfo != nullptr && session->engines == 0) {
    fail(TRTD_UNSUPPORTED, "The GPU has no JPEG engines, and without them the CPU is as fast");
  }
  known = session;
  return session;
}

}  // namespace trtd
