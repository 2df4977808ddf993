#include <algorithm>
#include <chrono>

#include "run.h"

namespace trtd {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t RUNS_MAX = 1000000;
constexpr int WARM_UPS = 2;
// Runs between two waits when runs follow each other.
constexpr uint32_t CHUNK = 256;
constexpr int32_t SPIN_US = 1500;

void allocateAll(Context& context, const Lane& lane) {
  for (const EngineTensor& tensor : tensorsOf(*context.engine)) {
    const char* const name = tensor.name.c_str();
    uint64_t bytes = 0;
    if (tensor.mode == TRTD_MODE_OUTPUT) {
      bytes = static_cast<uint64_t>(context.outputBytes(name));
    } else {
      const trtd_dims dims = context.shape(name);
      bytes = tensorBytes(tensor.type, dims);
      if (bytes == 0) fail(TRTD_EXECUTION_FAILED, "The shape of \"" + tensor.name + "\" is not set");
    }
    auto memory = std::make_shared<Memory>(lane.device, std::max<uint64_t>(bytes, 1));
    lane.clear(memory->address, memory->bytes);
    context.setAddress(name, std::move(memory), 0);
  }
  lane.wait();
}

template <class Launch>
void timeByClock(const Lane& lane, uint32_t runs, double* ms, const Launch& launch) {
  for (uint32_t i = 0; i < runs; ++i) {
    const auto begin = Clock::now();
    launch();
    lane.wait();
    ms[i] = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  }
}

// `marked`: the launched graph sets both marks itself.
template <class Launch>
void timeEach(const Lane& lane, uint32_t runs, Marks& marks, bool marked, double* ms, const Launch& launch) {
  for (uint32_t i = 0; i < runs; ++i) {
    if (marked) {
      launch();
      lane.wait();
      ms[i] = marks.between(0, 1);
      continue;
    }
    marks.begin(2);
    marks.mark();
    launch();
    marks.mark();
    lane.wait();
    ms[i] = marks.between(0, 1);
  }
}

template <class Launch>
void timeStream(const Lane& lane, uint32_t runs, double* ms, const Launch& launch) {
  Marks marks(lane);
  for (uint32_t from = 0; from < runs; from += CHUNK) {
    const uint32_t count = std::min(CHUNK, runs - from);
    marks.begin(count + 1);
    marks.mark();
    for (uint32_t i = 0; i < count; ++i) {
      launch();
      marks.mark();
    }
    lane.wait();
    for (uint32_t i = 0; i < count; ++i) ms[from + i] = marks.between(i, i + 1);
  }
}

void timeContext(Context& context, const std::shared_ptr<Device>& device, uint32_t runs, int32_t flags, double* ms) {
  Lane lane(device, SPIN_US);
  const bool clock = (flags & TRTD_TIME_CLOCK) != 0;
  if (!clock && !lane.driver.hasEvents()) fail(TRTD_UNSUPPORTED, "The CUDA driver has no events");
  const bool graph = (flags & TRTD_TIME_GRAPH) != 0;
  const bool throughput = (flags & TRTD_TIME_THROUGHPUT) != 0;
  const bool marked = graph && !clock && !throughput && lane.driver.hasOuterEvents();
  Marks marks(lane);
  Replay replay(lane, graph);
  const auto enqueue = [&] { context.enqueue(lane.stream()); };
  const auto captured = [&] {
    if (marked) marks.markCaptured();
    enqueue();
    if (marked) marks.markCaptured();
  };
  try {
    explained(lane, [&] {
      allocateAll(context, lane);
      for (int i = 0; i < WARM_UPS; ++i) {
        enqueue();
        lane.wait();
      }
      if (marked) marks.begin(2);
      if (graph && (!replay.refusal().empty() || !replay.capture(0, captured))) {
        fail(TRTD_UNSUPPORTED, "There is no CUDA graph: " + replay.refusal());
      }
      const auto launch = [&] {
        if (replay.launch(0)) return;
        if (graph) {
          lane.requireHealth();
          fail(TRTD_UNSUPPORTED, "There is no CUDA graph: " + replay.refusal());
        }
        enqueue();
      };
      if (throughput) timeStream(lane, runs, ms, launch);
      else if (clock) timeByClock(lane, runs, ms, launch);
      else timeEach(lane, runs, marks, marked, ms, launch);
    });
  } catch (...) {
    lane.settle();
    throw;
  }
}

}  // namespace
}  // namespace trtd

using namespace trtd;

extern "C" int32_t trtd_context_time(uint64_t context, uint64_t device, uint32_t runs, int32_t flags, double* ms,
                                     trtd_error* error) {
  return guard(error, [&] {
    require(ms != nullptr, "\"ms\" must not be NULL");
    require(runs >= 1 && runs <= RUNS_MAX, "\"runs\" must be 1 to 1000000");
    require((flags & ~(TRTD_TIME_GRAPH | TRTD_TIME_CLOCK | TRTD_TIME_THROUGHPUT)) == 0, "\"flags\" has an unknown bit");
    require((flags & TRTD_TIME_CLOCK) == 0 || (flags & TRTD_TIME_THROUGHPUT) == 0,
            "TRTD_TIME_CLOCK and TRTD_TIME_THROUGHPUT exclude each other");
    const auto where = get<Device>(device);
    const Locked<Context> target(context);
    requireSameDevice(*target, *where);
    where->makeCurrent();
    timeContext(*target, where, runs, flags, ms);
  });
}
