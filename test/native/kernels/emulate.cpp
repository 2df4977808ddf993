// A program that reads cases from standard input, runs the kernels on them through the emulator, and writes results.
// Each case runs forward, backward and shuffled; a result that depends on the order ends the program with status 3, a
// refused case with status 2 and the reason. run_emulator.ts writes the cases.
#define TRTD_EMULATE

#include "emulator.h"
#include "kernels/plan.h"
// The kernels themselves:
#include "kernels/kernels.cu"

#include <cstdio>
#include <string>

#include "base/errors.h"

namespace {

using namespace trtd;
using namespace trtd_kernels;
using Bytes = std::vector<unsigned char>;

enum CaseKind : int32_t { END = 0, LETTERBOX = 1, DETECT = 2 };

constexpr emulator::Order ORDERS[] = {emulator::Order::forward, emulator::Order::backward, emulator::Order::shuffled};

[[noreturn]] void stop(int status, const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::exit(status);
}

template <class T>
std::vector<T> readMany(size_t count) {
  std::vector<T> values(count);
  if (count > 0 && std::fread(values.data(), sizeof(T), count, stdin) != count) stop(1, "The case ends too soon");
  return values;
}

template <class T>
T readOne() {
  return readMany<T>(1)[0];
}

uint64_t addressOf(const void* pointer) { return static_cast<uint64_t>(reinterpret_cast<uintptr_t>(pointer)); }

void run(const Launch& launch, const DetectParams& params) {
  const std::string name = launch.kernel;
  const emulator::Place grid{launch.x, launch.y, launch.z};
  if (name == "trtd_filter") emulator::launch(trtd_filter, params, grid);
  else if (name == "trtd_rank") emulator::launch(trtd_rank, params, grid);
  else if (name == "trtd_overlap") emulator::launch(trtd_overlap, params, grid);
  else if (name == "trtd_keep") emulator::launch(trtd_keep, params, grid);
  else stop(1, "There is no kernel " + name);
}

template <class Run>
Bytes runInEveryOrder(Run&& body) {
  Bytes first;
  for (const emulator::Order order : ORDERS) {
    emulator::order = order;
    Bytes result = body();
    if (order == emulator::Order::forward) first = std::move(result);
    else if (result != first) stop(3, "The result depends on the order of threads or blocks");
  }
  return first;
}

void write(const Bytes& bytes) {
  const auto length = static_cast<uint32_t>(bytes.size());
  std::fwrite(&length, sizeof length, 1, stdout);
  std::fwrite(bytes.data(), 1, bytes.size(), stdout);
}

void letterbox() {
  const auto spec = readOne<trtd_letterbox_spec>();
  const auto count = readOne<uint32_t>();
  const auto described = readMany<trtd_frame>(count);
  std::vector<Bytes> pixels;
  for (const trtd_frame& frame : described) {
    pixels.push_back(readMany<unsigned char>(3 * static_cast<size_t>(frame.width) * static_cast<size_t>(frame.height)));
  }
  const uint64_t bytes = checkLetterbox(spec) * count;
  write(runInEveryOrder([&] {
    std::vector<Frame> frames;
    for (size_t i = 0; i < count; ++i) {
      frames.push_back(frameOf(described[i], spec));
      frames.back().pixels = addressOf(pixels[i].data());
    }
    Bytes out(bytes, 0xA5);
    LetterboxParams params = letterboxParams(spec);
    params.frames = addressOf(frames.data());
    params.out = addressOf(out.data());
    const Launch launch = letterboxLaunch(spec, count);
    emulator::launch(trtd_letterbox, params, {launch.x, launch.y, launch.z});
    return out;
  }));
}

void detect() {
  const DetectPlan plan(readOne<trtd_detect_spec>());
  const auto count = readOne<uint32_t>(), placed = readOne<uint32_t>(), chosen = readOne<uint32_t>();
  const auto scores = readMany<float>(count), ious = readMany<float>(count);
  const auto limits = readMany<int32_t>(3 * count);
  const auto placements = readMany<double>(placed != 0 ? 6 * count : 0);
  const auto wanted = readMany<uint32_t>(chosen != 0 ? plan.wanted_words * count : 0);
  std::vector<Bytes> tensors;
  for (uint32_t i = 0; i < 4; ++i) tensors.push_back(readMany<unsigned char>(plan.tensorBytes(i, count)));
  write(runInEveryOrder([&] {
    // Blocks of their own, so that AddressSanitizer sees accesses beside each.
    const DetectMemory& memory = plan.memory;
    DetectParams params = plan.params(0);
    std::vector<Bytes> parts;
    const auto place = [&](u64& address, uint64_t from, uint64_t to) {
      parts.emplace_back(to - from, 0xA5);
      address = addressOf(parts.back().data());
    };
    place(params.questions, memory.questions, memory.wanted);
    auto* const questions = reinterpret_cast<Question*>(parts.back().data());
    for (uint32_t i = 0; i < count; ++i) {
      questions[i] = plan.question(i, scores.data(), ious.data(), limits.data(),
                                   placed != 0 ? placements.data() : nullptr);
    }
    place(params.wanted, memory.wanted, memory.counters);
    if (!wanted.empty()) std::memcpy(parts.back().data(), wanted.data(), 4 * wanted.size());
    place(params.counters, memory.counters, memory.list);
    std::fill(parts.back().begin(), parts.back().end(), 0);
    place(params.list, memory.list, memory.best);
    place(params.best, memory.best, memory.boxes);
    place(params.boxes, memory.boxes, memory.visible);
    place(params.visible, memory.visible, memory.overlaps);
    place(params.overlaps, memory.overlaps, memory.results);
    Bytes results(memory.result_bytes * count, 0xA5);
    params.results = addressOf(results.data());
    for (uint32_t i = 0; i < 4; ++i) params.tensors[i].data = addressOf(tensors[i].data());
    for (const Launch& launch : plan.launches(count)) run(launch, params);
    Bytes answer;
    for (uint32_t i = 0; i < count; ++i) {
      const unsigned char* const from = results.data() + i * memory.result_bytes;
      ResultHead head;
      std::memcpy(&head, from, sizeof head);
      head.reserved[0] = head.reserved[1] = 0;
      if (head.count > static_cast<uint32_t>(plan.spec.boxes_max)) stop(1, "More boxes than were asked for");
      const auto* const bytes = reinterpret_cast<const unsigned char*>(&head);
      answer.insert(answer.end(), bytes, bytes + sizeof head);
      answer.insert(answer.end(), from + sizeof head, from + sizeof head + head.count * sizeof(Found));
    }
    return answer;
  }));
}

}  // namespace

int main() {
  try {
    for (;;) {
      const auto kind = readOne<int32_t>();
      if (kind == END) return 0;
      if (kind == LETTERBOX) letterbox();
      else if (kind == DETECT) detect();
      else stop(1, "There is no such kind of case");
    }
  } catch (const Failure& failure) {
    stop(2, failure.message);
  }
}
