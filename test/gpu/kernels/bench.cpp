// Times the kernels on a GPU with CUDA events. From the repository's root:
//
//   g++ -O2 -std=c++17 -Icpp/include -Icpp/src -o /tmp/bench test/gpu/kernels/bench.cpp cpp/src/*/*.cpp \
//     -ldl -lpthread
//   /tmp/bench [once]
//
// Prints one line for each case: microseconds of GPU time of a run when runs are enqueued one after the other, of a
// replayed CUDA graph, and the median of single replays. `once` runs each case once, for profilers and sanitizers.
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "cuda/cuda.h"
#include "base/dynamic.h"
#include "trtd.h"

namespace {

using namespace trtd;

[[noreturn]] void stop(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::exit(1);
}

trtd_error failure{};

void must(int32_t status) {
  if (status != TRTD_OK) stop(failure.message);
}

// What times runs; libtrtd itself does not need it.
struct Timing {
  int (*eventCreate)(void**, unsigned) = nullptr;
  int (*eventRecord)(void*, CudaStream) = nullptr;
  int (*eventSynchronize)(void*) = nullptr;
  int (*eventElapsed)(float*, void*, void*) = nullptr;
  int (*beginCapture)(CudaStream, int) = nullptr;
  int (*endCapture)(CudaStream, void**) = nullptr;
  int (*instantiate)(void**, void*, uint64_t) = nullptr;
  int (*launch)(void*, CudaStream) = nullptr;
  int (*destroyExec)(void*) = nullptr;
  int (*destroyGraph)(void*) = nullptr;
};

Timing timing;

void ok(int result, const char* what) {
  if (result != 0) stop(std::string(what) + " failed with " + std::to_string(result));
}

void loadTiming() {
  void* const library = cuda()->library;
  const auto need = [&](const char* name, auto& target) {
    if (!load(library, name, target)) stop(std::string("The driver has no ") + name);
  };
  need("cuEventCreate", timing.eventCreate);
  need("cuEventRecord", timing.eventRecord);
  need("cuEventSynchronize", timing.eventSynchronize);
  need("cuEventElapsedTime", timing.eventElapsed);
  need("cuStreamBeginCapture_v2", timing.beginCapture);
  need("cuStreamEndCapture", timing.endCapture);
  need("cuGraphInstantiateWithFlags", timing.instantiate);
  need("cuGraphLaunch", timing.launch);
  need("cuGraphExecDestroy", timing.destroyExec);
  need("cuGraphDestroy", timing.destroyGraph);
}

uint64_t device = 0, kernels = 0, stream = 0;
bool once = false;

double microseconds(int runs, const std::function<void()>& body) {
  static void* const first = [] { void* e = nullptr; ok(timing.eventCreate(&e, 0), "cuEventCreate"); return e; }();
  static void* const last = [] { void* e = nullptr; ok(timing.eventCreate(&e, 0), "cuEventCreate"); return e; }();
  const CudaStream queue = get<Stream>(stream)->stream;
  ok(timing.eventRecord(first, queue), "cuEventRecord");
  for (int i = 0; i < runs; ++i) body();
  ok(timing.eventRecord(last, queue), "cuEventRecord");
  ok(timing.eventSynchronize(last), "cuEventSynchronize");
  float milliseconds = 0;
  ok(timing.eventElapsed(&milliseconds, first, last), "cuEventElapsedTime");
  return 1000.0 * milliseconds / runs;
}

void measure(const std::string& name, const std::function<void()>& enqueue,
             const std::function<std::string()>& result) {
  constexpr int RUNS = 300;
  enqueue();
  must(trtd_stream_synchronize(stream, &failure));
  if (once) {
    std::printf("%-60s %s\n", name.c_str(), result().c_str());
    return;
  }
  for (int i = 0; i < 20; ++i) enqueue();
  const double enqueued = microseconds(RUNS, enqueue);
  const CudaStream queue = get<Stream>(stream)->stream;
  void* graph = nullptr;
  void* exec = nullptr;
  ok(timing.beginCapture(queue, 2), "cuStreamBeginCapture");
  enqueue();
  ok(timing.endCapture(queue, &graph), "cuStreamEndCapture");
  ok(timing.instantiate(&exec, graph, 0), "cuGraphInstantiateWithFlags");
  const auto replay = [&] { ok(timing.launch(exec, queue), "cuGraphLaunch"); };
  for (int i = 0; i < 20; ++i) replay();
  const double replayed = microseconds(RUNS, replay);
  std::vector<double> singles;
  for (int i = 0; i < RUNS; ++i) {
    must(trtd_stream_synchronize(stream, &failure));
    singles.push_back(microseconds(1, replay));
  }
  std::nth_element(singles.begin(), singles.begin() + RUNS / 2, singles.end());
  must(trtd_stream_synchronize(stream, &failure));
  timing.destroyExec(exec);
  timing.destroyGraph(graph);
  std::printf("%-60s enqueued %8.2f us, graph %8.2f us, single graph %8.2f us  %s\n", name.c_str(), enqueued, replayed,
              singles[RUNS / 2], result().c_str());
}

uint32_t state = 7;
double next() {
  state = state * 1664525u + 1013904223u;
  return state / 4294967296.0;
}

uint64_t allocate(uint64_t bytes) {
  uint64_t memory = 0;
  must(trtd_memory_allocate(device, bytes, &memory, &failure));
  return memory;
}

void letterbox(int width, int height, int targetWidth, int targetHeight, int type, int frames) {
  const trtd_letterbox_spec spec{frames, targetWidth, targetHeight, type, 0, 1, {0, 0}};
  uint64_t object = 0;
  must(trtd_letterbox_create(kernels, &spec, &object, &failure));
  const uint64_t bytes = 3ull * static_cast<uint64_t>(width) * static_cast<uint64_t>(height);
  std::vector<unsigned char> pixels(bytes);
  for (auto& pixel : pixels) pixel = static_cast<unsigned char>(next() * 256);
  const uint64_t source = allocate(bytes * static_cast<uint64_t>(frames));
  const double scale = std::min(static_cast<double>(targetHeight) / height, static_cast<double>(targetWidth) / width);
  std::vector<trtd_frame> list;
  for (int i = 0; i < frames; ++i) {
    const uint64_t offset = bytes * static_cast<uint64_t>(i);
    must(trtd_memory_write(source, offset, pixels.data(), bytes, &failure));
    const int scaledWidth = static_cast<int>(width * scale + 0.5);
    const int scaledHeight = static_cast<int>(height * scale + 0.5);
    list.push_back({source, offset, width, height, (targetWidth - scaledWidth) / 2, (targetHeight - scaledHeight) / 2,
                    scaledWidth, scaledHeight, {0, 0}});
  }
  const uint64_t target = allocate(12ull * static_cast<uint64_t>(targetWidth * targetHeight * frames));
  must(trtd_letterbox_set_frames(object, list.data(), static_cast<uint32_t>(frames), &failure));
  must(trtd_letterbox_set_target(object, target, 0, &failure));
  char name[120];
  std::snprintf(name, sizeof name, "letterbox %dx%d -> %dx%d %s, %d frames", width, height, targetHeight, targetWidth,
                type == TRTD_TYPE_FLOAT16 ? "f16" : "f32", frames);
  measure(name, [&] { must(trtd_letterbox_enqueue(object, stream, &failure)); }, [] { return std::string(); });
  for (const uint64_t handle : {object, target, source}) trtd_close(handle, nullptr);
}

uint16_t halfOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if (value < 6.2e-5f) return 0;
  return static_cast<uint16_t>(((bits + 0x1000u) >> 13) - (112u << 10));
}

// YOLOv8's output [N, 4+C, A] with `objects` candidates in each picture, as test/detect/nms_test.ts has it.
void yolov8(int classes, int anchors, int objects, int type, int images, int most, bool apart = false) {
  trtd_detect_spec spec{};
  spec.layout = TRTD_LAYOUT_CHANNELS_FIRST;
  spec.classes = classes;
  spec.width = spec.height = 640;
  for (int32_t& one : spec.types) one = type;
  spec.rows = 4 + classes;
  spec.columns = anchors;
  spec.images_max = images;
  spec.boxes_max = most;
  spec.candidates_max = 5000;
  spec.labels = classes;
  spec.suppress = 1;
  spec.background = -1;
  uint64_t object = 0;
  must(trtd_detections_create(kernels, &spec, &object, &failure));
  const size_t a = static_cast<size_t>(anchors), size = static_cast<size_t>(4 + classes) * a;
  const uint64_t width = type == TRTD_TYPE_FLOAT16 ? 2 : 4;
  const uint64_t tensor = allocate(size * width * static_cast<uint64_t>(images));
  for (int image = 0; image < images; ++image) {
    std::vector<float> data(size);
    for (size_t i = 4 * a; i < size; ++i) data[i] = static_cast<float>(next() * 0.01);
    for (size_t k = 0; k < static_cast<size_t>(objects); ++k) {
      const size_t at = k * a / static_cast<size_t>(objects > 0 ? objects : 1), thing = apart ? k : k % 60;
      data[at] = static_cast<float>(static_cast<double>(apart ? thing % 100 * 100 : thing % 10 * 64) + next() * 12);
      data[a + at] = static_cast<float>(static_cast<double>(thing / (apart ? 100 : 10)) * 100 + next() * 12);
      data[2 * a + at] = static_cast<float>(50 + next() * 10);
      data[3 * a + at] = static_cast<float>(80 + next() * 10);
      data[(4 + thing % static_cast<size_t>(classes)) * a + at] = static_cast<float>(0.25 + next() * 0.7);
    }
    std::vector<uint16_t> halves(type == TRTD_TYPE_FLOAT16 ? size : 0);
    for (size_t i = 0; i < halves.size(); ++i) halves[i] = halfOf(data[i]);
    const void* const from = halves.empty() ? static_cast<const void*>(data.data()) : halves.data();
    must(trtd_memory_write(tensor, size * width * static_cast<uint64_t>(image), from, size * width, &failure));
  }
  must(trtd_detections_set_tensor(object, 0, tensor, 0, &failure));
  const auto n = static_cast<size_t>(images);
  const std::vector<float> scores(n, 0.25f), ious(n, 0.45f);
  std::vector<int32_t> limits;
  for (int i = 0; i < images; ++i) limits.insert(limits.end(), {most, 0, 0});
  must(trtd_detections_set_images(object, static_cast<uint32_t>(images), scores.data(), ious.data(), limits.data(),
                                  nullptr, nullptr, &failure));
  char name[120];
  std::snprintf(name, sizeof name, "decode + NMS %dx%d %s, %d candidates%s, %d images", 4 + classes, anchors,
                type == TRTD_TYPE_FLOAT16 ? "f16" : "f32", objects, apart ? " apart" : "", images);
  measure(name, [&] { must(trtd_detections_enqueue(object, stream, &failure)); }, [&] {
    uint32_t counts[2] = {};
    std::vector<float> numbers(5 * static_cast<size_t>(most));
    std::vector<int32_t> labels(static_cast<size_t>(most));
    must(trtd_detections_read(object, static_cast<uint32_t>(images - 1), numbers.data(), labels.data(),
                              static_cast<uint32_t>(most), counts, &failure));
    return std::to_string(counts[1]) + " found, " + std::to_string(counts[0]) + " kept";
  });
  for (const uint64_t handle : {object, tensor}) trtd_close(handle, nullptr);
}

double milliseconds(const std::function<void()>& body) {
  const auto from = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - from).count();
}

}  // namespace

int main(int count, char** arguments) {
  once = count > 1 && std::strcmp(arguments[1], "once") == 0;
  trtd_cuda_info driver{};
  trtd_device_info info{};
  must(trtd_cuda_open(nullptr, &driver, &failure));
  must(trtd_cuda_device(0, 0, &info, &failure));
  must(trtd_device_open(0, &device, &failure));
  std::printf("%s, compute capability %d.%d, driver %s\n", info.name, info.compute_major, info.compute_minor,
              driver.driver_release);
  std::printf("kernels compiled and loaded in %.1f ms\n",
              milliseconds([] { must(trtd_kernels_load(device, &kernels, &failure)); }));
  uint64_t again = 0;
  std::printf("and a second time in %.1f ms\n",
              milliseconds([&] { must(trtd_kernels_load(device, &again, &failure)); }));
  must(trtd_stream_create(device, &stream, &failure));
  if (!once) loadTiming();

  constexpr int F32 = TRTD_TYPE_FLOAT32, F16 = TRTD_TYPE_FLOAT16;
  letterbox(1280, 720, 1152, 640, F32, 1);
  letterbox(1280, 720, 1152, 640, F16, 1);
  letterbox(1280, 720, 640, 640, F32, 1);
  letterbox(1920, 1080, 640, 640, F32, 1);
  letterbox(3840, 2160, 1152, 640, F32, 1);
  letterbox(1280, 720, 640, 640, F16, 8);
  letterbox(1280, 720, 640, 640, F16, 16);

  yolov8(80, 8400, 0, F32, 1, 300);
  yolov8(80, 8400, 100, F32, 1, 300);
  yolov8(80, 8400, 1370, F32, 1, 300);
  yolov8(80, 8400, 1370, F16, 1, 300);
  yolov8(80, 8400, 5000, F32, 1, 300);
  yolov8(80, 8400, 8400, F32, 1, 5000);
  yolov8(1, 8400, 8400, F32, 1, 300);
  yolov8(80, 15120, 1370, F32, 1, 300);
  yolov8(80, 8400, 1370, F32, 1, 300, true);
  yolov8(80, 8400, 5000, F32, 1, 5000, true);
  yolov8(80, 8400, 1370, F32, 8, 300);
  yolov8(80, 8400, 1370, F16, 16, 300);
  yolov8(80, 8400, 1370, F32, 32, 300);
  for (const uint64_t handle : {stream, kernels, again, device}) trtd_close(handle, nullptr);
  return 0;
}
