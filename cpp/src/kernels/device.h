// The dialect of the kernels: CUDA C++ without its headers, which clang turns into PTX (scripts/make_ptx.ts), or plain
// C++ that runs one block after another on the host (test/native/kernels/emulator.h).
//
// A kernel is a sequence of phases with barriers between them. EACH_THREAD(t) { ... } is one phase; `continue` ends it
// for a thread. Within a phase no thread may read what another one writes, but through atomics; PerThread keeps a
// thread's value from phase to phase. Code outside of phases is the same for all threads of the block.
#pragma once

#include "params.h"

namespace trtd_kernels {

constexpr u32 WARP = 32;
constexpr u32 ALL_LANES = 0xffffffffu;

#ifdef TRTD_EMULATE

#define GLOBAL
#define DEVICE static inline
#define KERNEL extern "C"
#define SHARED(TYPE, NAME) TYPE& NAME = emulator::shared<TYPE>()
#define EACH_THREAD(t) for (const u32 t : emulator::phase())
#define BARRIER() emulator::barrier()

DEVICE u32 blockX() { return emulator::block.x; }
DEVICE u32 blockY() { return emulator::block.y; }
DEVICE u32 blockZ() { return emulator::block.z; }
DEVICE u32 blocksX() { return emulator::grid.x; }
DEVICE void fence() {}

template <class T>
struct PerThread {
  T values[THREADS];
  T& operator[](u32 thread) { return values[thread]; }
};

// One word for each warp: the lanes whose value is not zero.
DEVICE void ballot(PerThread<u32>& votes, u32* words) {
  for (u32 warp = 0; warp < THREADS / WARP; ++warp) {
    words[warp] = 0;
    for (u32 lane = 0; lane < WARP; ++lane) words[warp] |= (votes[warp * WARP + lane] != 0 ? 1u : 0u) << lane;
  }
}

#else

#define GLOBAL __attribute__((address_space(1)))
#define DEVICE static __attribute__((device, always_inline)) inline
#define KERNEL extern "C" __attribute__((global))
#define SHARED(TYPE, NAME) static __attribute__((shared)) TYPE NAME
#define EACH_THREAD(t) for (u32 t = threadX(), t##_left = 1; t##_left != 0; t##_left = 0)
#define BARRIER() __syncthreads()

DEVICE u32 threadX() { return static_cast<u32>(__nvvm_read_ptx_sreg_tid_x()); }
DEVICE u32 blockX() { return static_cast<u32>(__nvvm_read_ptx_sreg_ctaid_x()); }
DEVICE u32 blockY() { return static_cast<u32>(__nvvm_read_ptx_sreg_ctaid_y()); }
DEVICE u32 blockZ() { return static_cast<u32>(__nvvm_read_ptx_sreg_ctaid_z()); }
DEVICE u32 blocksX() { return static_cast<u32>(__nvvm_read_ptx_sreg_nctaid_x()); }
DEVICE void fence() { __nvvm_membar_gl(); }

template <class T>
struct PerThread {
  T value;
  __attribute__((device)) T& operator[](u32) { return value; }
};

DEVICE void ballot(PerThread<u32>& votes, u32* words) {
  const u32 thread = threadX();
  const u32 word = __nvvm_vote_ballot_sync(ALL_LANES, votes[thread] != 0);
  if (thread % WARP == 0) words[thread / WARP] = word;
}

#endif

template <class T>
DEVICE GLOBAL T* at(u64 address) {
  return reinterpret_cast<GLOBAL T*>(address);
}

template <class T>
DEVICE T read(const GLOBAL T* from) {
  return *(const T*)from;
}

template <class T>
DEVICE void write(GLOBAL T* to, const T& value) {
  *(T*)to = value;
}

DEVICE u32 add(u32* target, u32 value) { return __atomic_fetch_add(target, value, __ATOMIC_RELAXED); }
#ifndef TRTD_EMULATE
DEVICE u32 add(GLOBAL u32* target, u32 value) { return __atomic_fetch_add(target, value, __ATOMIC_RELAXED); }
#endif

DEVICE u32 bitsOf(float value) {
  u32 bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}

DEVICE float floatOf(u32 bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

DEVICE double doubleOf(u64 bits) {
  double value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

DEVICE float floatOfHalf(u16 half) {
  const u32 sign = (half & 0x8000u) << 16, rest = (half & 0x7fffu) << 13;
  const u32 finite = bitsOf(floatOf(rest) * 0x1p112f);
  return floatOf(sign | (rest >= 0x7c00u << 13 ? 0x7f800000u | rest : finite));
}

// The nearest half, ties to even, of 0 or a number in 2^-14..65504.
DEVICE u16 halfOf(float value) {
  const u32 bits = bitsOf(value);
  if (bits == 0) return 0;
  return static_cast<u16>(((bits + 0xfffu + ((bits >> 13) & 1u)) >> 13) - (112u << 10));
}

}  // namespace trtd_kernels
