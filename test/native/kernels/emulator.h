// Runs the kernels on the host: block after block, and in a block one thread after another, phase by phase. Threads and
// blocks may run in any order, which shows whether a result depends on it. Shared memory is allocated anew for each
// block and filled with a pattern, so that AddressSanitizer sees accesses beside it and reading what nobody wrote
// shows.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "kernels/params.h"

namespace emulator {

using trtd_kernels::THREADS;
using trtd_kernels::u32;

struct Place {
  u32 x, y, z;
};

enum class Order { forward, backward, shuffled };

inline Place block{};
inline Place grid{};
inline Order order = Order::forward;
inline std::minstd_rand random{1};
inline std::vector<u32> threads(THREADS);
inline std::vector<std::unique_ptr<void, decltype(&std::free)>> arena;

inline void arrange(std::vector<u32>& list) {
  for (u32 i = 0; i < list.size(); ++i) list[i] = order == Order::backward ? static_cast<u32>(list.size()) - 1 - i : i;
  if (order != Order::shuffled) return;
  for (size_t i = list.size(); i > 1; --i) std::swap(list[i - 1], list[random() % i]);
}

// The threads of the block, in an order of their own for each phase.
inline const std::vector<u32>& phase() { return threads; }

inline void barrier() {
  if (order == Order::shuffled) arrange(threads);
}

template <class T>
T& shared() {
  void* const memory = std::malloc(sizeof(T));
  std::memset(memory, 0xA5, sizeof(T));
  arena.emplace_back(memory, &std::free);
  return *static_cast<T*>(memory);
}

template <class Kernel, class Params>
void launch(Kernel kernel, const Params& params, Place blocks) {
  grid = blocks;
  std::vector<u32> list(static_cast<size_t>(blocks.x) * blocks.y * blocks.z);
  arrange(list);
  for (const u32 number : list) {
    block = {number % blocks.x, number / blocks.x % blocks.y, number / blocks.x / blocks.y};
    arrange(threads);
    kernel(params);
    arena.clear();
  }
}

}  // namespace emulator
