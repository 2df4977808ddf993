// The kernels on the fake CUDA driver: a module is any text with the entry points, and a launch runs the kernel through
// the emulator.
#define TRTD_EMULATE

#include "../kernels/emulator.h"
#include "kernels/kernels.cu"
#include "cuda_fake.h"

namespace {

using trtd_kernels::DetectParams;
using trtd_kernels::LetterboxParams;

// One launch at a time: the emulator has one block and one grid.
std::mutex emulating;

char const* const NAMES[] = {"trtd_letterbox", "trtd_filter", "trtd_rank", "trtd_overlap", "trtd_keep"};

}  // namespace

EXPORT int cuModuleLoadDataEx(void** module, void const* image, unsigned count, int* options, void** values) {
  int const wish = atoi(fake::script("cuda-module").c_str());
  if (wish != 0) {
    for (unsigned i = 0; i < count; ++i) {
      if (options[i] == 5) snprintf(static_cast<char*>(values[i]), 4096, "ptxas fatal: a wish");
    }
    return wish;
  }
  for (char const* const name : NAMES) {
    if (strstr(static_cast<char const*>(image), name) == nullptr) return 218;
  }
  *module = malloc(8);
  return 0;
}
EXPORT int cuModuleUnload(void* module) { return free(module), 0; }
EXPORT int cuModuleGetFunction(void** function, void*, char const* name) {
  for (char const* const& known : NAMES) {
    if (strcmp(known, name) != 0) continue;
    *function = const_cast<char const**>(&known);
    return 0;
  }
  return 500;
}
EXPORT int cuLaunchKernel(void* function, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned, unsigned,
                          unsigned, void* stream, void** params, void**) {
  if (int const bad = fake::enter()) return bad;
  if (fake::wish("cuda-launch") != 0) return fake::give(fake::wish("cuda-launch"));
  if (threads != trtd_kernels::THREADS || stream == nullptr || x == 0 || y == 0 || z == 0) return 1;
  ++fake::counts.launches;
  emulator::Place const grid{x, y, z};
  auto const which = static_cast<char const* const*>(function) - NAMES;
  if (which == 0) {
    return fake::submit(stream, [grid, params = *static_cast<LetterboxParams const*>(params[0])] {
      std::lock_guard<std::mutex> lock(emulating);
      return emulator::launch(trtd_letterbox, params, grid), 0;
    });
  }
  return fake::submit(stream, [grid, which, params = *static_cast<DetectParams const*>(params[0])] {
    std::lock_guard<std::mutex> lock(emulating);
    switch (which) {
      case 1: emulator::launch(trtd_filter, params, grid); return 0;
      case 2: emulator::launch(trtd_rank, params, grid); return 0;
      case 3: emulator::launch(trtd_overlap, params, grid); return 0;
      default: emulator::launch(trtd_keep, params, grid); return 0;
    }
  });
}
