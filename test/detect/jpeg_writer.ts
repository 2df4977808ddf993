/**
 * A small baseline and progressive JPEG writer (ITU-T T.81) for files that sharp does not write: any sampling factors,
 * CMYK and YCCK, EXIF, DC-first progressive with as many scans as wanted. Codes are of fixed length, so files are large.
 */

/** A component at full resolution, values 0..255; `h` and `v` are its sampling factors. */
export interface JpegComponent {
  readonly plane: Float32Array;
  readonly h: number;
  readonly v: number;
}

export interface JpegOptions {
  readonly width: number;
  readonly height: number;
  readonly components: readonly JpegComponent[];
  /** Adobe marker: 0 none or CMYK as it is, 1 YCbCr, 2 YCCK. @default no marker */
  readonly adobeTransform?: 0 | 1 | 2;
  /** Whole segments (with marker and length) after SOI. */
  readonly segments?: readonly Uint8Array[];
  /** MCUs between restart markers. @default none */
  readonly restartInterval?: number;
}

const ZIGZAG = [
  ...[0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21],
  ...[28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61],
  ...[54, 47, 55, 62, 63],
];
const QUANT = 3;

/** A marker segment: FF, marker, length, data. */
export function segment(marker: number, data: ArrayLike<number>): Uint8Array {
  const out = new Uint8Array(4 + data.length);
  out.set([0xff, marker, (data.length + 2) >> 8, (data.length + 2) & 255]);
  out.set(data, 4);
  return out;
}

export function concat(parts: readonly ArrayLike<number>[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) out.set(part, at), at += part.length;
  return out;
}

const quantTable = () => segment(0xdb, [0, ...new Array<number>(64).fill(QUANT)]);

const DC_SYMBOLS = Array.from({ length: 12 }, (_, i) => i);
/** Block ended, 16 zeros, and every run of zeros before a coefficient of 1 to 10 bits: all that 8-bit pixels need. */
const AC_SYMBOLS = [
  0x00,
  0xf0,
  ...Array.from({ length: 160 }, (_, i) => Math.floor(i / 10) << 4 | (i % 10 + 1)),
];
const AC_BITS = 8;
const AC_CODES = new Map(AC_SYMBOLS.map((symbol, code) => [symbol, code]));
/** Progressive files have the numbers of empty blocks too: there the code of a symbol is the symbol. */
const PROGRESSIVE_SYMBOLS = Array.from({ length: 255 }, (_, i) => i);

/** DC: 12 symbols of 4 bits. AC: symbols of `bits` bits. */
const huffmanTables = (ac: readonly number[], bits: number) => {
  const counts = (length: number, n: number) => Array.from({ length: 16 }, (_, i) => i + 1 === length ? n : 0);
  return segment(0xc4, [0x00, ...counts(4, 12), ...DC_SYMBOLS, 0x10, ...counts(bits, ac.length), ...ac]);
};

function frame(marker: number, { width, height, components }: JpegOptions): Uint8Array {
  const parts = components.flatMap(({ h, v }, i) => [i + 1, h << 4 | v, 0]);
  return segment(marker, [8, height >> 8, height & 255, width >> 8, width & 255, components.length, ...parts]);
}

const scanHeader = (components: readonly number[], spectral: readonly [number, number, number]) =>
  segment(0xda, [components.length, ...components.flatMap((id) => [id, 0]), ...spectral]);

class Bits {
  readonly bytes: number[] = [];
  #value = 0;
  #count = 0;

  put(value: number, count: number): void {
    for (let i = count - 1; i >= 0; i--) {
      this.#value = this.#value << 1 | ((value >> i) & 1);
      if (++this.#count < 8) continue;
      this.bytes.push(this.#value);
      if (this.#value === 0xff) this.bytes.push(0);
      this.#value = this.#count = 0;
    }
  }

  end(): number[] {
    while (this.#count > 0) this.put(1, 1);
    return this.bytes;
  }
}

const category = (value: number): number => value === 0 ? 0 : 32 - Math.clz32(Math.abs(value));
const magnitude = (value: number, bits: number): number => value < 0 ? value + (1 << bits) - 1 : value;

/** Quantised DCT coefficients of one block, in zigzag order. */
function coefficients(block: Float32Array): Int32Array {
  const out = new Int32Array(64);
  for (let k = 0; k < 64; k++) {
    const u = ZIGZAG[k]! & 7, v = ZIGZAG[k]! >> 3;
    let sum = 0;
    for (let y = 0; y < 8; y++) {
      for (let x = 0; x < 8; x++) {
        sum += (block[8 * y + x]! - 128) * Math.cos((2 * x + 1) * u * Math.PI / 16) *
          Math.cos((2 * y + 1) * v * Math.PI / 16);
      }
    }
    const scale = (u === 0 ? Math.SQRT1_2 : 1) * (v === 0 ? Math.SQRT1_2 : 1) / 4;
    out[k] = Math.round(sum * scale / QUANT);
  }
  return out;
}

/** Mean of the full-resolution pixels under each sample of one block. */
function blockOf(options: JpegOptions, component: JpegComponent, bx: number, by: number): Float32Array {
  const { width, height, components } = options;
  const sx = Math.max(...components.map((c) => c.h)) / component.h;
  const sy = Math.max(...components.map((c) => c.v)) / component.v;
  const block = new Float32Array(64);
  for (let y = 0; y < 8; y++) {
    for (let x = 0; x < 8; x++) {
      let sum = 0;
      for (let j = 0; j < sy; j++) {
        for (let i = 0; i < sx; i++) {
          const px = Math.min(width - 1, (8 * bx + x) * sx + i), py = Math.min(height - 1, (8 * by + y) * sy + j);
          sum += component.plane[py * width + px]!;
        }
      }
      block[8 * y + x] = sum / (sx * sy);
    }
  }
  return block;
}

/** A baseline JPEG with one interleaved scan. */
export function baselineJpeg(options: JpegOptions): Uint8Array<ArrayBuffer> {
  const { components, width, height } = options;
  const hMax = Math.max(...components.map((c) => c.h)), vMax = Math.max(...components.map((c) => c.v));
  const interval = options.restartInterval ?? 0;
  const bits = new Bits();
  const last = components.map(() => 0);
  let mcus = 0;
  for (let my = 0; my < Math.ceil(height / (8 * vMax)); my++) {
    for (let mx = 0; mx < Math.ceil(width / (8 * hMax)); mx++, mcus++) {
      if (interval > 0 && mcus > 0 && mcus % interval === 0) {
        bits.end().push(0xff, 0xd0 + (mcus / interval - 1) % 8);
        last.fill(0);
      }
      components.forEach((component, c) => {
        for (let v = 0; v < component.v; v++) {
          for (let h = 0; h < component.h; h++) {
            const block = coefficients(blockOf(options, component, mx * component.h + h, my * component.v + v));
            const difference = block[0]! - last[c]!;
            last[c] = block[0]!;
            putBlock(bits, block, difference);
          }
        }
      });
    }
  }
  const adobe = options.adobeTransform === undefined
    ? []
    : [segment(0xee, [...new TextEncoder().encode("Adobe"), 0, 100, 0, 0, 0, 0, options.adobeTransform])];
  return concat([
    [0xff, 0xd8],
    ...options.segments ?? [],
    ...adobe,
    quantTable(),
    frame(0xc0, options),
    huffmanTables(AC_SYMBOLS, AC_BITS),
    interval > 0 ? segment(0xdd, [interval >> 8, interval & 255]) : [],
    scanHeader(components.map((_, i) => i + 1), [0, 63, 0]),
    bits.end(),
    [0xff, 0xd9],
  ]);
}

function putBlock(bits: Bits, block: Int32Array, difference: number): void {
  const size = category(difference);
  bits.put(size, 4);
  bits.put(magnitude(difference, size), size);
  let run = 0;
  for (let k = 1; k < 64; k++) {
    const value = block[k]!;
    if (value === 0) {
      run++;
      continue;
    }
    for (; run > 15; run -= 16) bits.put(AC_CODES.get(0xf0)!, AC_BITS);
    const n = category(value);
    bits.put(AC_CODES.get(run << 4 | n)!, AC_BITS);
    bits.put(magnitude(value, n), n);
    run = 0;
  }
  if (run > 0) bits.put(AC_CODES.get(0)!, AC_BITS);
}

/**
 * A progressive JPEG of one gray component: a DC scan of zeros, then scans that say "nothing here" about one
 * coefficient each, in turn through all 63 and then through their refinements. Each is a few bytes long.
 */
export function manyScanJpeg(width: number, height: number, scans: number): Uint8Array<ArrayBuffer> {
  const options: JpegOptions = { width, height, components: [{ plane: new Float32Array(0), h: 1, v: 1 }] };
  const blocks = Math.ceil(width / 8) * Math.ceil(height / 8);
  const dc = new Bits();
  for (let i = 0; i < blocks; i++) dc.put(0, 4);
  const empty = new Bits();
  for (let left = blocks; left > 0;) {
    const bits = Math.min(14, 31 - Math.clz32(left));
    empty.put(bits << 4, 9);
    const run = Math.min(left, (1 << bits) + (1 << bits) - 1);
    empty.put(run - (1 << bits), bits);
    left -= run;
  }
  const emptyBytes = empty.end();
  const parts: ArrayLike<number>[] = [
    [0xff, 0xd8],
    quantTable(),
    frame(0xc2, options),
    huffmanTables(PROGRESSIVE_SYMBOLS, 9),
  ];
  parts.push(scanHeader([1], [0, 0, 0]), dc.end());
  for (let scan = 0; scan + 1 < scans; scan++) {
    const k = 1 + scan % 63, pass = Math.floor(scan / 63);
    const low = Math.max(0, 13 - pass);
    parts.push(scanHeader([1], [k, k, pass === 0 ? low : (low + 1) << 4 | low]), emptyBytes);
  }
  parts.push([0xff, 0xd9]);
  return concat(parts);
}

/** Full-resolution Y, Cb, Cr planes of RGB pixels (JFIF). */
export function ycc(rgb: ArrayLike<number>): [Float32Array, Float32Array, Float32Array] {
  const n = rgb.length / 3;
  const [y, cb, cr] = [new Float32Array(n), new Float32Array(n), new Float32Array(n)];
  for (let i = 0; i < n; i++) {
    const [r, g, b] = [rgb[3 * i]!, rgb[3 * i + 1]!, rgb[3 * i + 2]!];
    y[i] = 0.299 * r + 0.587 * g + 0.114 * b;
    cb[i] = 128 - 0.168736 * r - 0.331264 * g + 0.5 * b;
    cr[i] = 128 + 0.5 * r - 0.418688 * g - 0.081312 * b;
  }
  return [y, cb, cr];
}

/** An EXIF block (TIFF header and IFD0) that holds the orientation and nothing else. */
export function exifBlock(orientation: number, littleEndian = false): Uint8Array {
  const view = new DataView(new ArrayBuffer(26));
  const le = littleEndian;
  view.setUint16(0, le ? 0x4949 : 0x4d4d);
  view.setUint16(2, 42, le);
  view.setUint32(4, 8, le);
  view.setUint16(8, 1, le);
  view.setUint16(10, 0x0112, le);
  view.setUint16(12, 3, le);
  view.setUint32(14, 1, le);
  view.setUint16(18, orientation, le);
  return new Uint8Array(view.buffer);
}

/** APP1 with an EXIF block. */
export const exifSegment = (orientation: number, littleEndian = false): Uint8Array =>
  segment(0xe1, concat([[0x45, 0x78, 0x69, 0x66, 0, 0], exifBlock(orientation, littleEndian)]));
