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

/*
 * values * weight >> 16, for values up to 32767 and weights up to 2048. WebAssembly has no upper half of a product; the
 * rounding one of `values * 4 weight / 2^15` is corrected by the bit below it and then cut.
 */
static inline v128_t high_product(v128_t values, v128_t weight) {
  const v128_t rounded = wasm_i16x8_relaxed_q15mulr(values, wasm_i16x8_shl(weight, 2));
  const v128_t too_much = wasm_i16x8_shr(wasm_i16x8_shl(wasm_i16x8_mul(values, weight), 3), 15);
  return wasm_u16x8_shr(wasm_i16x8_add(rounded, too_much), 3);
}

static inline v128_t mixed(const int16_t *upper, const int16_t *lower, v128_t wu, v128_t wl) {
  const v128_t sum = wasm_i16x8_add(high_product(wasm_v128_load(upper), wu), high_product(wasm_v128_load(lower), wl));
  return wasm_u16x8_shr(wasm_i16x8_add(sum, wasm_i16x8_splat(2)), 2);
}

/* The product with `high` is exact, so the sum is rounded once. */
static inline v128_t scaled(v128_t integers, v128_t high, v128_t low) {
  const v128_t value = wasm_f32x4_convert_i32x4(integers);
  return wasm_f32x4_add(wasm_f32x4_mul(value, high), wasm_f32x4_mul(value, low));
}

/* Four pixels as bytes red, green, blue, 0 to the three planes. */
static inline void put(v128_t pixels, float *red, float *green, float *blue, v128_t high, v128_t low) {
  const v128_t byte = wasm_i32x4_splat(255);
  wasm_v128_store(red, scaled(wasm_v128_and(pixels, byte), high, low));
  wasm_v128_store(green, scaled(wasm_v128_and(wasm_u32x4_shr(pixels, 8), byte), high, low));
  wasm_v128_store(blue, scaled(wasm_u32x4_shr(pixels, 16), high, low));
}

/*
 * upper, lower                stretched rows of n pixels, n at least 4
 * weight_upper, weight_lower  0..2048
 * red, green, blue            f32 rows of n pixels
 * high, low                   their sum is what a byte is multiplied with; `high` has at most 16 bits
 */
EXPORT(blend)(const int16_t *upper, const int16_t *lower, int32_t n, int32_t weight_upper, int32_t weight_lower,
              float *red, float *green, float *blue, float high, float low) {
  const v128_t wu = wasm_i16x8_splat(weight_upper), wl = wasm_i16x8_splat(weight_lower);
  const v128_t vhigh = wasm_f32x4_splat(high), vlow = wasm_f32x4_splat(low);
  for (int32_t step = 0; step < n; step += 4) {
    const int32_t i = step + 4 <= n ? step : n - 4;
    const v128_t pixels = wasm_u8x16_narrow_i16x8(mixed(upper + 4 * i, lower + 4 * i, wu, wl),
                                                  mixed(upper + 4 * i + 8, lower + 4 * i + 8, wu, wl));
    put(pixels, red + i, green + i, blue + i, vhigh, vlow);
  }
}

/* Sums of two neighbours, for two pairs of pixels of a row: red, green, blue, 0 as int16. */
static inline v128_t pairs(const uint8_t *row) {
  const v128_t bytes = wasm_v128_load(row);
  const v128_t even = wasm_i8x16_make(0, -1, 1, -1, 2, -1, -1, -1, 6, -1, 7, -1, 8, -1, -1, -1);
  const v128_t odd = wasm_i8x16_make(3, -1, 4, -1, 5, -1, -1, -1, 9, -1, 10, -1, 11, -1, -1, -1);
  return wasm_i16x8_add(wasm_i8x16_swizzle(bytes, even), wasm_i8x16_swizzle(bytes, odd));
}

static inline v128_t mean(const uint8_t *upper, const uint8_t *lower) {
  const v128_t sum = wasm_i16x8_add(pairs(upper), pairs(lower));
  return wasm_u16x8_shr(wasm_i16x8_add(sum, wasm_i16x8_splat(2)), 2);
}

/*
 * upper, lower      RGB u8 rows of 2 n pixels, with 4 readable bytes behind; n at least 4
 * red, green, blue  f32 rows of n pixels; high, low as for blend
 */
EXPORT(halve)(const uint8_t *upper, const uint8_t *lower, int32_t n, float *red, float *green, float *blue, float high,
              float low) {
  const v128_t vhigh = wasm_f32x4_splat(high), vlow = wasm_f32x4_splat(low);
  for (int32_t step = 0; step < n; step += 4) {
    const int32_t i = step + 4 <= n ? step : n - 4;
    const v128_t pixels = wasm_u8x16_narrow_i16x8(mean(upper + 6 * i, lower + 6 * i),
                                                  mean(upper + 6 * i + 12, lower + 6 * i + 12));
    put(pixels, red + i, green + i, blue + i, vhigh, vlow);
  }
}
