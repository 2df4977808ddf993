// What trtd.h says of pipelines.
#include <cstring>

#include "pipeline.h"

using namespace trtd;

extern "C" {

uint64_t trtd_address(const void* memory) { return static_cast<uint64_t>(reinterpret_cast<uintptr_t>(memory)); }

int32_t trtd_pipeline_create(uint64_t context, uint64_t kernels, uint64_t jpeg, const char* input, const char* outputs,
                             const char* size_input, const trtd_letterbox_spec* letterbox,
                             const trtd_detect_spec* detections, int32_t flags, int32_t spin_us, uint64_t* pipeline,
                             trtd_error* error) {
  return guard(error, [&] {
    requireOut(pipeline, "\"pipeline\" must not be NULL");
    require(input != nullptr && outputs != nullptr && letterbox != nullptr && detections != nullptr,
            "\"input\", \"outputs\", \"letterbox\" and \"detections\" must not be NULL");
    checkRunOptions(flags, spin_us);
    const auto device = get<Kernels>(kernels);
    const auto decoder = jpeg != 0 ? get<JpegDecoder>(jpeg) : nullptr;
    require(!decoder || decoder->device->index == device->device->index, "The decoder is on another device");
    const Locked<Context> target(context);
    requireSameDevice(*target, *device->device);
    device->device->makeCurrent();
    const PipelineSpec spec{input, outputs, size_input, *letterbox, *detections, flags, spin_us};
    *pipeline = publish(std::make_shared<Pipeline>(target.share(), device, decoder, spec));
  });
}

int32_t trtd_pipeline_set_anchors(uint64_t pipeline, const float* anchors, uint64_t count, trtd_error* error) {
  return guard(error, [&] {
    require(anchors != nullptr, "\"anchors\" must not be NULL");
    Locked<Pipeline>(pipeline)->setAnchors(anchors, count);
  });
}

int32_t trtd_pipeline_run(uint64_t pipeline, const trtd_host_frame* frames, uint32_t count, const float* scores,
                          const float* ious, const int32_t* limits, const double* placements, const uint32_t* wanted,
                          int32_t flags, double* times, trtd_error* error) {
  return guard(error, [&] {
    require(count >= 1, "There are too few or too many frames");
    require(frames != nullptr && scores != nullptr && ious != nullptr && limits != nullptr,
            "\"frames\", \"scores\", \"ious\" and \"limits\" must not be NULL");
    require((flags & ~TRTD_RUN_TIMED) == 0, "\"flags\" has an unknown bit");
    const Locked<Pipeline> target(pipeline);
    const Times took =
        target->run(frames, count, {scores, ious, limits, placements, wanted}, (flags & TRTD_RUN_TIMED) != 0);
    static_assert(sizeof took == 7 * sizeof(double), "times are what trtd.h says");
    if (times != nullptr) std::memcpy(times, &took, sizeof took);
  });
}

int32_t trtd_pipeline_start(uint64_t pipeline, const trtd_host_frame* frames, uint32_t count, const float* scores,
                            const float* ious, const int32_t* limits, const double* placements, const uint32_t* wanted,
                            int32_t* started, trtd_error* error) {
  return guard(error, [&] {
    require(count >= 1, "There are too few or too many frames");
    require(frames != nullptr && scores != nullptr && ious != nullptr && limits != nullptr && started != nullptr,
            "\"frames\", \"scores\", \"ious\", \"limits\" and \"started\" must not be NULL");
    *started = Locked<Pipeline>(pipeline)->start(frames, count, {scores, ious, limits, placements, wanted}) ? 1 : 0;
  });
}

int32_t trtd_pipeline_finish(uint64_t pipeline, double* times, trtd_error* error) {
  return guard(error, [&] {
    const Times took = Locked<Pipeline>(pipeline)->finish();
    if (times != nullptr) std::memcpy(times, &took, sizeof took);
  });
}

int32_t trtd_pipeline_poll(uint64_t pipeline, int32_t* done, double* times, trtd_error* error) {
  return guard(error, [&] {
    require(done != nullptr, "\"done\" must not be NULL");
    Times took;
    *done = Locked<Pipeline>(pipeline)->poll(took) ? 1 : 0;
    if (*done == 1 && times != nullptr) std::memcpy(times, &took, sizeof took);
  });
}

int32_t trtd_pipeline_time(uint64_t pipeline, uint32_t runs, double* ms, trtd_error* error) {
  return guard(error, [&] {
    require(ms != nullptr, "\"ms\" must not be NULL");
    require(runs >= 1 && runs <= 1000000, "\"runs\" must be 1 to 1000000");
    Locked<Pipeline>(pipeline)->timeAgain(runs, ms);
  });
}

int32_t trtd_pipeline_read(uint64_t pipeline, uint32_t image, float* numbers, int32_t* labels, uint32_t capacity,
                           uint32_t* counts, trtd_error* error) {
  return guard(error, [&] { Locked<Pipeline>(pipeline)->read(image, numbers, labels, capacity, counts); });
}

int32_t trtd_pipeline_facts(uint64_t pipeline, trtd_pipeline_info* info, trtd_error* error) {
  return guard(error, [&] {
    require(info != nullptr, "\"info\" must not be NULL");
    *info = get<Pipeline>(pipeline)->facts();
  });
}
}
