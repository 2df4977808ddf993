/*
 * The two passes of the 8-bit linear resize of linear_resize.ts, for WebAssembly with SIMD. After a change,
 * scripts/build_letterbox_wasm.py turns this file into letterbox_wasm.ts. All buffers are the caller's, inside the
 * module's memory.
 *
 * A stretched row holds four int16 a pixel: red, green, blue, 0; each is the horizontal sum of 11-bit weights times
 * pixels, shifted right by 4, so 0..32640.
 */
#include <stdint.h>
#include <wasm_simd128.h>

#define EXPORT(name) __attribute__((export_name(#name))) void name

/*
 * source   RGB u8, one row, 8 readable bytes at every offset
 * offsets  byte offset of the lower source pixel, for each of `n` target pixels
 * weights  weight of the lower pixel | weight of the upper pixel << 16, 0..2048 each
 * into     stretched row with room for n rounded up to 2 pixels
 */
EXPORT(stretch)(const uint8_t *source, const int32_t *offsets, const int32_t *weights, int16_t *into, int32_t n) {
  const v128_t pairs = wasm_i8x16_make(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1);
  for (int32_t i = 0; i < n; i += 2) {
    v128_t a = wasm_i8x16_swizzle(wasm_v128_load64_zero(source + offsets[i]), pairs);
    v128_t b = wasm_i8x16_swizzle(wasm_v128_load64_zero(source + offsets[i + 1]), pairs);
    a = wasm_u32x4_shr(wasm_i32x4_dot_i16x8(a, wasm_v128_load32_splat(weights + i)), 4);
    b = wasm_u32x4_shr(wasm_i32x4_dot_i16x8(b, wasm_v128_load32_splat(weights + i + 1)), 4);
    wasm_v128_store(into + 4 * i, wasm_i16x8_narrow_i32x4(a, b));
  }
}

/* Upper halves of the eight 32-bit products. */
static inline v128_t high_product(v128_t values, v128_t weight) {
  const v128_t low = wasm_i32x4_extmul_low_i16x8(values, weight), high = wasm_i32x4_extmul_high_i16x8(values, weight);
  return wasm_i16x8_shuffle(low, high, 1, 3, 5, 7, 9, 11, 13, 15);
}

static inline v128_t mixed(const int16_t *upper, const int16_t *lower, v128_t wu, v128_t wl) {
  const v128_t sum = wasm_i16x8_add(high_product(wasm_v128_load(upper), wu), high_product(wasm_v128_load(lower), wl));
  return wasm_u16x8_shr(wasm_i16x8_add(sum, wasm_i16x8_splat(2)), 2);
}

/*
 * upper, lower              stretched rows of n pixels, n at least 4
 * weight_upper, weight_lower  0..2048
 * red, green, blue          f32 rows of n pixels
 * divisor                   of every byte; 255 for values in 0..1
 */
EXPORT(blend)(const int16_t *upper, const int16_t *lower, int32_t n, int32_t weight_upper, int32_t weight_lower,
              float *red, float *green, float *blue, float divisor) {
  const v128_t wu = wasm_i16x8_splat(weight_upper), wl = wasm_i16x8_splat(weight_lower);
  const v128_t divisors = wasm_f32x4_splat(divisor), zero = wasm_i32x4_splat(0);
  for (int32_t step = 0; step < n; step += 4) {
    const int32_t i = step + 4 <= n ? step : n - 4;
    const v128_t pixels = wasm_u8x16_narrow_i16x8(mixed(upper + 4 * i, lower + 4 * i, wu, wl),
                                                  mixed(upper + 4 * i + 8, lower + 4 * i + 8, wu, wl));
    const v128_t r = wasm_i8x16_shuffle(pixels, zero, 0, 16, 16, 16, 4, 16, 16, 16, 8, 16, 16, 16, 12, 16, 16, 16);
    const v128_t g = wasm_i8x16_shuffle(pixels, zero, 1, 16, 16, 16, 5, 16, 16, 16, 9, 16, 16, 16, 13, 16, 16, 16);
    const v128_t b = wasm_i8x16_shuffle(pixels, zero, 2, 16, 16, 16, 6, 16, 16, 16, 10, 16, 16, 16, 14, 16, 16, 16);
    wasm_v128_store(red + i, wasm_f32x4_div(wasm_f32x4_convert_i32x4(r), divisors));
    wasm_v128_store(green + i, wasm_f32x4_div(wasm_f32x4_convert_i32x4(g), divisors));
    wasm_v128_store(blue + i, wasm_f32x4_div(wasm_f32x4_convert_i32x4(b), divisors));
  }
}
