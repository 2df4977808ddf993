#include "run.h"

#include <cstring>

namespace trtd {

void checkRunOptions(int32_t flags, int32_t spinUs) {
  constexpr int32_t KNOWN = TRTD_PIPELINE_CUDA_GRAPH | TRTD_PIPELINE_SHARED_COPIES | TRTD_PIPELINE_STREAMED_COPIES;
  require((flags & ~KNOWN) == 0, "\"flags\" has an unknown bit");
  require(spinUs >= 0 && spinUs <= SPIN_US_MAX, "\"spin_us\" must be 0 to 1000000");
}

void requireSameDevice(const Context& context, const Device& device) {
  const auto& own = context.engine->runtime->device;
  require(!own || own->index == device.index, "The context is on another device");
}

std::vector<std::string> linesOf(const char* text) {
  std::vector<std::string> lines;
  for (const char* at = text; *at != 0;) {
    const size_t length = std::strcspn(at, "\n");
    lines.emplace_back(at, length);
    at += length + (at[length] == '\n' ? 1 : 0);
  }
  return lines;
}

void Holding::set(uint64_t deviceBytes, uint64_t pinnedBytes, int32_t batch) {
  deviceBytes_ = deviceBytes;
  pinnedBytes_ = pinnedBytes;
  batch_ = batch;
}

trtd_pipeline_info Holding::facts(const Replay& replay) const {
  trtd_pipeline_info info{};
  info.device_bytes = deviceBytes_;
  info.pinned_bytes = pinnedBytes_;
  info.runs = runs_;
  info.graphs = replay.graphs();
  info.batch = batch_;
  const std::string refusal = replay.refusal();
  info.refusal_length = static_cast<uint32_t>(refusal.size());
  copyText(info.refusal, sizeof info.refusal, refusal);
  return info;
}

}  // namespace trtd
