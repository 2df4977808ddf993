// Streams, events, graphs and pinned memory of the fake CUDA driver.
#include <memory>
#include <set>
#include <thread>

#include "cuda_fake.h"

namespace {

using fake::Stream;
using fake::Work;
using Clock = std::chrono::steady_clock;

struct Event {
  bool timed = true;
  std::mutex mutex;
  Stream* stream = nullptr;
  Clock::time_point when{};
};

struct Graph {
  std::vector<Work> work;
};

std::mutex registryMutex;
std::set<Stream*> streams;
std::map<char const*, size_t> pinned;

// All work of a stream; the caller holds its mutex.
int finish(Stream& stream) {
  int result = 0;
  while (!stream.queue.empty()) {
    Work const work = std::move(stream.queue.front());
    stream.queue.pop_front();
    int const done = work();
    if (result == 0) result = done;
  }
  if (result == 0) result = fake::wish("cuda-sync");
  return fake::give(result);
}

int waitFor(Stream& stream) {
  if (fake::capture == &stream) {
    stream.invalidated = true;
    return fake::CAPTURE_UNSUPPORTED;
  }
  std::unique_lock<std::mutex> lock(stream.mutex);
  Clock::time_point const due = stream.queue.empty() ? Clock::time_point{} : stream.due;
  lock.unlock();
  std::this_thread::sleep_until(due);
  lock.lock();
  return finish(stream);
}

}  // namespace

int fake::allocationWish(size_t bytes) {
  static std::mutex mutex;
  static std::string seen;
  static int left = 0;
  if (wish("cuda-alloc") != 0) return wish("cuda-alloc");
  std::string const over = script("cuda-oom-over");
  if (!over.empty() && bytes > strtoull(over.c_str(), nullptr, 10)) return OUT_OF_MEMORY;
  std::lock_guard<std::mutex> lock(mutex);
  std::string const word = script("cuda-oom");
  if (word != seen) {
    seen = word;
    left = atoi(word.c_str());
  }
  return left > 0 && --left == 0 ? OUT_OF_MEMORY : 0;
}

int fake::submit(void* stream, Work work) {
  if (stream == nullptr) return INVALID_VALUE;
  auto& queue = *static_cast<Stream*>(stream);
  std::lock_guard<std::mutex> lock(queue.mutex);
  if (queue.capturing) {
    if (queue.invalidated) return CAPTURE_INVALIDATED;
    queue.captured.push_back(std::move(work));
    return 0;
  }
  queue.queue.push_back(std::move(work));
  queue.asked = false;
  queue.due = Clock::now() + std::chrono::milliseconds(wish("cuda-slow"));
  return 0;
}

void fake::finishAll() {
  std::lock_guard<std::mutex> lock(registryMutex);
  for (Stream* const stream : streams) {
    std::lock_guard<std::mutex> alone(stream->mutex);
    finish(*stream);
  }
}

bool fake::isPinned(void const* memory, size_t bytes) {
  auto const* const from = static_cast<char const*>(memory);
  std::lock_guard<std::mutex> lock(registryMutex);
  auto const next = pinned.upper_bound(from);
  if (next == pinned.begin()) return false;
  auto const found = std::prev(next);
  return from + bytes <= found->first + found->second;
}

// For the fakes of other libraries: puts a call into a stream. `drop` ends what `data` is once nobody needs it.
EXPORT int fake_submit(void* stream, int (*call)(void*), void (*drop)(void*), void* data) {
  std::shared_ptr<void> const kept(data, drop);
  return fake::submit(stream, [call, kept] { return call(kept.get()); });
}

EXPORT bool fake_capturing() { return fake::capture != nullptr; }

EXPORT void fake_cuda_counts(uint64_t* out) {
  fake::Counts const& c = fake::counts;
  for (auto const* one : {&c.allocations, &c.pinnedAllocations, &c.launches, &c.graphLaunches, &c.captures, &c.queries,
                          &c.sleeps, &c.liveMemory, &c.livePinned, &c.liveStreams, &c.liveEvents, &c.liveGraphs}) {
    *out++ = *one;
  }
}

EXPORT int cuStreamCreate(void** stream, unsigned flags) {
  if (int const bad = fake::enter()) return bad;
  if (fake::currentContext == nullptr || flags != 1) return fake::INVALID_CONTEXT;
  auto* const made = new Stream;
  std::lock_guard<std::mutex> lock(registryMutex);
  streams.insert(made);
  ++fake::counts.liveStreams;
  return *stream = made, 0;
}
EXPORT int cuStreamDestroy_v2(void* stream) {
  auto* const old = static_cast<Stream*>(stream);
  {
    std::lock_guard<std::mutex> lock(registryMutex);
    streams.erase(old);
  }
  waitFor(*old);
  delete old;
  --fake::counts.liveStreams;
  return fake::fault;
}
EXPORT int cuStreamSynchronize(void* stream) {
  if (int const bad = fake::enter()) return bad;
  if (stream == nullptr) return 0;
  ++fake::counts.sleeps;
  return waitFor(*static_cast<Stream*>(stream));
}
EXPORT int cuStreamQuery(void* stream) {
  if (int const bad = fake::enter()) return bad;
  ++fake::counts.queries;
  auto& queue = *static_cast<Stream*>(stream);
  if (fake::capture == &queue) {
    queue.invalidated = true;
    return fake::CAPTURE_UNSUPPORTED;
  }
  std::lock_guard<std::mutex> lock(queue.mutex);
  if (!queue.queue.empty() && (!queue.asked || Clock::now() < queue.due)) {
    queue.asked = true;
    return fake::NOT_READY;
  }
  return finish(queue);
}
EXPORT int cuMemcpyHtoDAsync_v2(uint64_t to, void const* from, size_t bytes, void* stream) {
  if (int const bad = fake::enter()) return bad;
  if (fake::wish("cuda-copy") != 0) return fake::give(fake::wish("cuda-copy"));
  if (!fake::isPinned(from, bytes)) return fake::INVALID_VALUE;
  return fake::submit(stream, [=] { return memcpy(reinterpret_cast<void*>(to), from, bytes), 0; });
}
EXPORT int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, void* stream) {
  if (int const bad = fake::enter()) return bad;
  if (fake::wish("cuda-copy") != 0) return fake::give(fake::wish("cuda-copy"));
  if (!fake::isPinned(to, bytes)) return fake::INVALID_VALUE;
  return fake::submit(stream, [=] { return memcpy(to, reinterpret_cast<void*>(from), bytes), 0; });
}
EXPORT int cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, void* stream) {
  if (int const bad = fake::enter()) return bad;
  return fake::submit(stream, [=] { return memset(reinterpret_cast<void*>(to), value, bytes), 0; });
}
EXPORT int cuMemHostAlloc(void** memory, size_t bytes, unsigned flags) {
  if (flags != 0) return fake::INVALID_VALUE;
  if (int const bad = fake::enter()) return bad;
  if (fake::currentContext == nullptr) return fake::INVALID_CONTEXT;
  if (int const bad = fake::allocationWish(bytes)) return bad;
  *memory = malloc(bytes);
  ++fake::counts.pinnedAllocations;
  ++fake::counts.livePinned;
  std::lock_guard<std::mutex> lock(registryMutex);
  pinned[static_cast<char const*>(*memory)] = bytes;
  return 0;
}
EXPORT int cuMemFreeHost(void* memory) {
  fake::finishAll();
  {
    std::lock_guard<std::mutex> lock(registryMutex);
    pinned.erase(static_cast<char const*>(memory));
  }
  free(memory);
  --fake::counts.livePinned;
  return fake::fault;
}

#if !FAKE_OLD_DRIVER
EXPORT int cuEventCreate(void** event, unsigned flags) {
  if (int const bad = fake::enter()) return bad;
  auto* const made = new Event;
  made->timed = (flags & 2u) == 0;
  ++fake::counts.liveEvents;
  return *event = made, 0;
}
EXPORT int cuEventDestroy_v2(void* event) {
  fake::finishAll();
  delete static_cast<Event*>(event);
  --fake::counts.liveEvents;
  return fake::fault;
}
EXPORT int cuEventRecord(void* event, void* stream) {
  if (int const bad = fake::enter()) return bad;
  auto* const mark = static_cast<Event*>(event);
  {
    std::lock_guard<std::mutex> lock(mark->mutex);
    mark->stream = static_cast<Stream*>(stream);
  }
  return fake::submit(stream, [mark] {
    std::lock_guard<std::mutex> lock(mark->mutex);
    mark->when = Clock::now();
    return 0;
  });
}
EXPORT int cuEventRecordWithFlags(void* event, void* stream, unsigned flags) {
  // 1: each launch of the graph that is being captured records it.
  if (flags > 1 || (flags == 1) != (fake::capture != nullptr)) return fake::INVALID_VALUE;
  return cuEventRecord(event, stream);
}
EXPORT int cuEventSynchronize(void* event) {
  if (int const bad = fake::enter()) return bad;
  ++fake::counts.sleeps;
  Stream* stream = nullptr;
  {
    auto* const mark = static_cast<Event*>(event);
    std::lock_guard<std::mutex> lock(mark->mutex);
    stream = mark->stream;
  }
  return stream != nullptr ? waitFor(*stream) : 0;
}
EXPORT int cuEventElapsedTime(float* ms, void* from, void* to) {
  if (int const bad = fake::enter()) return bad;
  auto* const begin = static_cast<Event*>(from);
  auto* const end = static_cast<Event*>(to);
  if (!begin->timed || !end->timed) return 400;
  *ms = std::chrono::duration<float, std::milli>(end->when - begin->when).count();
  return 0;
}

EXPORT int cuStreamBeginCapture_v2(void* stream, int mode) {
  if (int const bad = fake::enter()) return bad;
  if (fake::wish("cuda-begin") != 0) return fake::give(fake::wish("cuda-begin"));
  // The modes that a library may use beside others are 1 (this thread) and 2 (relaxed).
  if (mode < 1 || mode > 2 || fake::capture != nullptr) return fake::INVALID_VALUE;
  auto& queue = *static_cast<Stream*>(stream);
  std::lock_guard<std::mutex> lock(queue.mutex);
  queue.capturing = true;
  queue.invalidated = false;
  queue.captured.clear();
  fake::capture = &queue;
  return 0;
}
EXPORT int cuStreamEndCapture(void* stream, void** graph) {
  auto& queue = *static_cast<Stream*>(stream);
  std::lock_guard<std::mutex> lock(queue.mutex);
  *graph = nullptr;
  if (!queue.capturing) return fake::INVALID_VALUE;
  queue.capturing = false;
  fake::capture = nullptr;
  if (int const bad = fake::enter()) return bad;
  if (fake::wish("cuda-capture") != 0) return fake::give(fake::wish("cuda-capture"));
  if (queue.invalidated) return fake::CAPTURE_INVALIDATED;
  *graph = new Graph{std::move(queue.captured)};
  queue.captured.clear();
  ++fake::counts.captures;
  ++fake::counts.liveGraphs;
  return 0;
}
EXPORT int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long flags) {
  if (int const bad = fake::enter()) return bad;
  if (fake::wish("cuda-instantiate") != 0) return fake::give(fake::wish("cuda-instantiate"));
  if (flags != 0) return fake::INVALID_VALUE;
  ++fake::counts.liveGraphs;
  return *executable = new Graph(*static_cast<Graph*>(graph)), 0;
}
EXPORT int cuGraphLaunch(void* executable, void* stream) {
  if (int const bad = fake::enter()) return bad;
  if (fake::wish("cuda-graph-launch") != 0) return fake::give(fake::wish("cuda-graph-launch"));
  ++fake::counts.graphLaunches;
  for (Work const& work : static_cast<Graph*>(executable)->work) {
    if (int const bad = fake::submit(stream, work)) return bad;
  }
  return 0;
}
EXPORT int cuGraphExecDestroy(void* executable) {
  --fake::counts.liveGraphs;
  return delete static_cast<Graph*>(executable), static_cast<int>(fake::fault);
}
EXPORT int cuGraphDestroy(void* graph) {
  --fake::counts.liveGraphs;
  return delete static_cast<Graph*>(graph), static_cast<int>(fake::fault);
}
#endif
