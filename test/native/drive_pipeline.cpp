// Drives pipelines and runners from C++ over the fakes, for runs under AddressSanitizer and UBSan:
//   drive-pipeline whole|failing|threads CUDA CORE PARSER
// TRTD_FAKE must have head=yolov8. Prints "fine" or the first thing wrong.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "trtd.h"

namespace {

constexpr int32_t ALL_COPIES = TRTD_PIPELINE_SHARED_COPIES | TRTD_PIPELINE_STREAMED_COPIES;
constexpr int32_t WIDTH = 48, HEIGHT = 32, CLASSES = 3, ANCHORS = 40, BATCH = 4, BOXES = 10;

struct Stop {
  trtd_error error;
};

template <class Function, class... Arguments>
void must(Function function, Arguments... arguments) {
  trtd_error error{};
  if (function(arguments..., &error) != TRTD_OK) throw Stop{error};
}

void expect(bool condition, char const* what) {
  if (condition) return;
  fprintf(stdout, "wrong: %s\n", what);
  exit(1);
}

void fake(char const* words) { setenv("TRTD_FAKE", (std::string("head=yolov8 ") + words).c_str(), 1); }

struct Rig {
  uint64_t library = 0, device = 0, kernels = 0, engine = 0;

  Rig(char const* cuda, char const* core, char const* parser) {
    trtd_cuda_info info;
    must(trtd_cuda_open, cuda, &info);
    must(trtd_library_open, core, 0, &library);
    must(trtd_library_open_parser, library, parser);
    must(trtd_device_open, 0, &device);
    uint64_t builder = 0, network = 0, config = 0, profile = 0, blob = 0, runtime = 0, size = 0;
    must(trtd_builder_create, library, device, 0, &builder);
    must(trtd_network_create, builder, 0, &network);
    std::string const model = "model\ninput images 0 -1x3x32x48\noutput output0 0 -1x7x40\n";
    must(trtd_network_parse, network, static_cast<void const*>(model.data()), uint64_t{model.size()},
         static_cast<char const*>(nullptr));
    must(trtd_config_create, builder, &config);
    must(trtd_profile_create, builder, &profile);
    for (int32_t selector = 0; selector < 3; ++selector) {
      trtd_dims const dims{4, 0, {selector == 2 ? BATCH : 1, 3, HEIGHT, WIDTH}};
      must(trtd_profile_set_shape, profile, "images", selector, &dims);
    }
    int32_t index = 0;
    must(trtd_config_add_profile, config, profile, &index);
    must(trtd_builder_build, builder, network, config, &blob);
    must(trtd_blob_size, blob, &size);
    std::vector<char> plan(size);
    must(trtd_blob_read, blob, uint64_t{0}, static_cast<void*>(plan.data()), size);
    must(trtd_runtime_create, library, device, 0, &runtime);
    must(trtd_engine_load, runtime, static_cast<void const*>(plan.data()), size, &engine);
    must(trtd_kernels_load, device, &kernels);
    for (uint64_t const handle : {builder, network, config, profile, blob, runtime}) must(trtd_close, handle);
  }
  ~Rig() {
    for (uint64_t const handle : {kernels, engine, device, library}) trtd_close(handle, nullptr);
  }

  uint64_t context() const {
    uint64_t made = 0;
    must(trtd_context_create, engine, 0, static_cast<void const*>(nullptr), uint64_t{0}, &made);
    return made;
  }
  // A pipeline; its context is closed and lives on with it.
  uint64_t pipeline(bool graph, int32_t spinUs, int32_t copies = TRTD_PIPELINE_SHARED_COPIES) const {
    trtd_letterbox_spec letterbox{};
    letterbox.frames_max = BATCH;
    letterbox.width = WIDTH;
    letterbox.height = HEIGHT;
    letterbox.range = 1;
    trtd_detect_spec detect{};
    detect.classes = CLASSES;
    detect.width = WIDTH;
    detect.height = HEIGHT;
    detect.rows = 4 + CLASSES;
    detect.columns = ANCHORS;
    detect.images_max = BATCH;
    detect.boxes_max = BOXES;
    detect.candidates_max = 30;
    detect.labels = CLASSES;
    detect.suppress = 1;
    detect.background = -1;
    uint64_t const runs = context();
    uint64_t made = 0;
    trtd_error error;
    int32_t const status =
        trtd_pipeline_create(runs, kernels, 0, "images", "output0", nullptr, &letterbox, &detect,
                             (graph ? TRTD_PIPELINE_CUDA_GRAPH : 0) | copies, spinUs, &made, &error);
    must(trtd_close, runs);
    if (status != TRTD_OK) throw Stop{error};
    return made;
  }
};

// Frames on the heap, exact in size, each with a red rectangle at a place of its own.
struct Frames {
  std::vector<std::vector<uint8_t>> pixels;
  std::vector<trtd_host_frame> records;
  std::vector<float> scores, ious;
  std::vector<int32_t> limits;

  Frames(int seed, uint32_t count, int32_t scale) : scores(count, 0.3f), ious(count, 0.5f) {
    for (uint32_t i = 0; i < count; ++i) {
      int32_t const width = WIDTH * scale, height = HEIGHT * scale;
      pixels.emplace_back(static_cast<size_t>(3 * width * height), uint8_t{20});
      int32_t const left = scale * ((seed + static_cast<int>(i)) % 20), top = scale * (seed % 10);
      for (int32_t y = top; y < top + 8 * scale; ++y) {
        for (int32_t x = left; x < left + 12 * scale; ++x) pixels.back()[static_cast<size_t>(3 * (y * width + x))] = 250;
      }
      trtd_host_frame record{};
      record.data = trtd_address(pixels.back().data());
      record.bytes = pixels.back().size();
      record.width = width;
      record.height = height;
      record.scaled_width = WIDTH;
      record.scaled_height = HEIGHT;
      records.push_back(record);
      limits.insert(limits.end(), {BOXES, 0, 0});
    }
  }
};

int32_t runOf(uint64_t pipeline, Frames const& f, int32_t flags, trtd_error* error) {
  double times[7];
  return trtd_pipeline_run(pipeline, f.records.data(), static_cast<uint32_t>(f.records.size()), f.scores.data(),
                           f.ious.data(), f.limits.data(), nullptr, nullptr, flags, times, error);
}

void check(uint64_t pipeline, int seed, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    std::vector<float> numbers(5 * BOXES);
    std::vector<int32_t> labels(BOXES);
    uint32_t counts[2] = {};
    must(trtd_pipeline_read, pipeline, i, numbers.data(), labels.data(), uint32_t{BOXES}, &counts[0]);
    float const left = static_cast<float>((seed + static_cast<int>(i)) % 20), top = static_cast<float>(seed % 10);
    expect(counts[0] == 1 && labels[0] == 0, "one red box");
    expect(numbers[0] == left && numbers[1] == top && numbers[2] == left + 12 && numbers[3] == top + 8, "its place");
  }
}

// In two calls; in one where nothing was started.
void startAndCheck(uint64_t pipeline, int seed, uint32_t count, bool asking) {
  Frames const frames(seed, count, 1);
  trtd_error error;
  double times[7];
  int32_t started = 0, done = 0;
  must(trtd_pipeline_start, pipeline, frames.records.data(), count, frames.scores.data(), frames.ious.data(),
       frames.limits.data(), static_cast<double const*>(nullptr), static_cast<uint32_t const*>(nullptr), &started);
  if (started == 0) {
    if (runOf(pipeline, frames, 0, &error) != TRTD_OK) throw Stop{error};
  } else if (asking) {
    while (done == 0) must(trtd_pipeline_poll, pipeline, &done, &times[0]);
  } else {
    expect(runOf(pipeline, frames, 0, &error) == TRTD_INVALID_ARGUMENT, "a run while one is started");
    must(trtd_pipeline_finish, pipeline, &times[0]);
  }
  check(pipeline, seed, count);
}

void runAndCheck(uint64_t pipeline, int seed, uint32_t count, int32_t scale, int32_t flags = 0) {
  Frames const frames(seed, count, scale);
  trtd_error error;
  if (runOf(pipeline, frames, flags, &error) != TRTD_OK) throw Stop{error};
  check(pipeline, seed, count);
}

void whole(Rig const& rig) {
  uint64_t const pipeline = rig.pipeline(true, 1500);
  for (int run = 0; run < 30; ++run) {
    runAndCheck(pipeline, run, 1 + static_cast<uint32_t>(run / 4) % BATCH, 1 + run % 3, run % 7 == 6 ? TRTD_RUN_TIMED : 0);
  }
  runAndCheck(pipeline, 5, 2, 24);
  for (int32_t copies = 0; copies <= ALL_COPIES; copies += TRTD_PIPELINE_SHARED_COPIES) {
    uint64_t const other = rig.pipeline(true, 0, copies);
    for (int run = 0; run < 3; ++run) runAndCheck(other, run, 4, run == 1 ? 1 : 24);
    must(trtd_close, other);
  }
  uint64_t const here = rig.pipeline(true, 0);
  for (int run = 0; run < 12; ++run) startAndCheck(here, run, 1 + static_cast<uint32_t>(run / 3) % BATCH, run % 2 == 0);
  {
    // Closed in the middle of a run.
    Frames const frames(1, 4, 1);
    int32_t started = 0;
    must(trtd_pipeline_start, here, frames.records.data(), uint32_t{4}, frames.scores.data(), frames.ious.data(),
         frames.limits.data(), static_cast<double const*>(nullptr), static_cast<uint32_t const*>(nullptr), &started);
    expect(started == 1, "a graph of four");
  }
  must(trtd_close, here);
  trtd_pipeline_info info;
  must(trtd_pipeline_facts, pipeline, &info);
  expect(info.runs == 31 && info.refusal[0] == 0 && info.device_bytes > 0, "facts");
  must(trtd_close, pipeline);

  uint64_t const context = rig.context();
  uint64_t runner = 0;
  uint64_t const room[] = {BATCH * 3 * WIDTH * HEIGHT * 4}, answer[] = {BATCH * 7 * ANCHORS * 4};
  must(trtd_runner_create, context, rig.device, "images", &room[0], "output0", &answer[0],
       int32_t{TRTD_PIPELINE_CUDA_GRAPH}, 0, &runner);
  for (int64_t run = 0; run < 8; ++run) {
    int64_t const count = 1 + run / 4;
    std::vector<float> in(static_cast<size_t>(count * 3 * WIDTH * HEIGHT), 0.1f), out(static_cast<size_t>(count * 7 * ANCHORS));
    in[static_cast<size_t>(run)] = 1;
    trtd_host_tensor given{trtd_address(in.data()), in.size() * 4, {4, 0, {count, 3, HEIGHT, WIDTH}}};
    trtd_host_tensor taken{trtd_address(out.data()), out.size() * 4, {}};
    double ms = 0;
    must(trtd_runner_run, runner, &given, &taken, &ms);
    expect(taken.dims.size[0] == count && taken.bytes == out.size() * 4, "shape of the runner's answer");
    expect(out[0] == static_cast<float>(run) + 0.5f, "the runner's answer");
  }
  double ms[20];
  must(trtd_context_time, context, rig.device, uint32_t{20}, int32_t{TRTD_TIME_GRAPH | TRTD_TIME_THROUGHPUT}, &ms[0]);
  must(trtd_close, context);
  must(trtd_close, runner);
}

void failing(Rig const& rig) {
  uint64_t const pipeline = rig.pipeline(true, 0);
  runAndCheck(pipeline, 1, 2, 1);
  trtd_error error;
  Frames const frames(2, 3, 1), large(2, 4, 30);
  for (char const* words : {"enqueue=refused", "cuda-launch=701", "cuda-copy=1"}) {
    fake(words);
    expect(runOf(pipeline, frames, 0, &error) != TRTD_OK, words);
    fake("");
    runAndCheck(pipeline, 3, 3, 1);
    runAndCheck(pipeline, 4, 2, 1);
  }
  fake("cuda-copy=1");
  expect(runOf(pipeline, large, 0, &error) == TRTD_CUDA_ERROR, "a copy of many pieces");
  fake("");
  runAndCheck(pipeline, 5, 4, 30);
  uint64_t const tight = rig.pipeline(false, 0);
  fake("cuda-oom-over=2000000");
  expect(runOf(tight, large, 0, &error) == TRTD_OUT_OF_MEMORY, "no memory for large frames");
  runAndCheck(tight, 6, 4, 1);
  must(trtd_close, tight);
  for (char const* words : {"cuda-begin=801", "cuda-capture=900", "cuda-instantiate=2", "capture=refused"}) {
    fake("");
    uint64_t const other = rig.pipeline(true, 0);
    fake(words);
    for (int run = 0; run < 3; ++run) runAndCheck(other, run, 2, 1);
    trtd_pipeline_info info;
    must(trtd_pipeline_facts, other, &info);
    expect(info.refusal_length > 0 && info.graphs == 0, words);
    must(trtd_close, other);
  }
  for (int at = 1; at < 12; ++at) {
    fake(("cuda-oom=" + std::to_string(at)).c_str());
    try {
      must(trtd_close, rig.pipeline(true, 0));
    } catch (Stop const& stop) {
      expect(stop.error.status == TRTD_OUT_OF_MEMORY, "memory that runs out");
    }
  }
  fake("cuda-sync=700");
  expect(runOf(pipeline, frames, 0, &error) == TRTD_CUDA_ERROR && error.code == 700, "a fault");
  fake("");
  expect(runOf(pipeline, frames, 0, &error) == TRTD_CUDA_ERROR && error.code == 700, "a fault stays");
  must(trtd_close, pipeline);
}

// A pipeline for each of five threads, and one that they share.
void threads(Rig const& rig) {
  uint64_t const shared = rig.pipeline(true, 0);
  std::vector<std::thread> all;
  for (int worker = 0; worker < 5; ++worker) {
    all.emplace_back([&, worker] {
      try {
        uint64_t const own = rig.pipeline(worker % 2 == 0, worker * 100);
        for (int run = 0; run < 12; ++run) {
          runAndCheck(own, worker + run, 1 + static_cast<uint32_t>(run / 3) % BATCH, 1 + run % 2);
          Frames const frames(run, 1 + static_cast<uint32_t>(worker) % BATCH, 1);
          trtd_error error;
          expect(runOf(shared, frames, 0, &error) == TRTD_OK, "the shared pipeline");
          trtd_pipeline_info info;
          must(trtd_pipeline_facts, shared, &info);
        }
        must(trtd_close, own);
      } catch (Stop const& stop) {
        expect(false, stop.error.message);
      }
    });
  }
  for (std::thread& one : all) one.join();
  must(trtd_close, shared);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 5) return 2;
  std::string const what = arguments[1];
  try {
    fake("");
    {
      Rig const rig(arguments[2], arguments[3], arguments[4]);
      if (what == "whole") whole(rig);
      if (what == "failing") failing(rig);
      if (what == "threads") threads(rig);
    }
    expect(trtd_live_handles() == 0, "handles are left");
    puts("fine");
    return 0;
  } catch (Stop const& stop) {
    printf("%d\t%d\t%d\t%s\n", stop.error.status, stop.error.origin, stop.error.code, stop.error.message);
    return 1;
  }
}
