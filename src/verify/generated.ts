/** Pictures made by rule, so that a detector of anything has something to score: the same bytes everywhere. */
import type { Picture } from "../detect/letterbox/letterbox.ts";

/** Numbers from a seed: mulberry32 (public domain, T. Ettinger). @returns numbers of 0 and more, below 1 */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = state + 0x6d2b79f5 >>> 0;
    let t = Math.imul(state ^ state >>> 15, state | 1);
    t ^= t + Math.imul(t ^ t >>> 7, t | 61);
    return ((t ^ t >>> 14) >>> 0) / 4294967296;
  };
}

type Color = readonly [number, number, number];

/** Colour of a pixel; coordinates from its top left corner. */
type Paint = (x: number, y: number) => Color;

function painted(width: number, height: number, paint: Paint): Picture {
  const data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) data.set(paint(x, y), 3 * (y * width + x));
  }
  return { data, width, height };
}

/** Rectangles and ellipses of all sizes, some striped, on a slanting gradient with grain. */
function shapes(width: number, height: number, seed: number): Picture {
  const random = randomFrom(seed);
  const color = (): Color => [Math.floor(256 * random()), Math.floor(256 * random()), Math.floor(256 * random())];
  const all = Array.from({ length: 40 }, () => ({
    x: random() * width,
    y: random() * height,
    halfWidth: (0.01 + 0.14 * random() ** 2) * width,
    halfHeight: (0.01 + 0.14 * random() ** 2) * height,
    round: random() < 0.5,
    stripe: random() < 0.4 ? 2 + Math.floor(14 * random()) : 0,
    colors: [color(), color()] as const,
  }));
  const [from, to] = [color(), color()];
  return painted(width, height, (x, y) => {
    for (const { x: cx, y: cy, halfWidth, halfHeight, round, stripe, colors } of all) {
      const [dx, dy] = [(x - cx) / halfWidth, (y - cy) / halfHeight];
      const inside = round ? dx * dx + dy * dy <= 1 : Math.abs(dx) <= 1 && Math.abs(dy) <= 1;
      if (inside) return colors[stripe > 0 && Math.floor((x + y) / stripe) % 2 === 1 ? 1 : 0];
    }
    const [share, grain] = [(x / width + y / height) / 2, 16 * (random() - 0.5)];
    return from.map((value, i) => clamped(value + share * (to[i]! - value) + grain)) as unknown as Color;
  });
}

/** Blocks of random black and white cells, and of bars, in several sizes on grey. */
function codes(width: number, height: number, seed: number): Picture {
  const random = randomFrom(seed);
  const cells = Array.from({ length: 64 * 64 }, () => random() < 0.5);
  const blocks = [[0.05, 0.1, 0.35, 7], [0.5, 0.08, 0.2, 4], [0.76, 0.1, 0.18, 3], [0.5, 0.5, 0.44, 9], [
    0.08,
    0.65,
    0.3,
    5,
  ]];
  return painted(width, height, (x, y) => {
    for (const [at, [left, top, size, cell]] of (blocks as [number, number, number, number][]).entries()) {
      const [dx, dy, side] = [x - left * width, y - top * height, size * Math.min(width, height)];
      if (dx < 0 || dy < 0 || dx >= side || dy >= side) continue;
      const row = at % 2 === 1 ? 0 : Math.floor(dy / cell);
      return cells[(row * 64 + Math.floor(dx / cell)) % cells.length]! ? [12, 12, 12] : [245, 245, 245];
    }
    const value = clamped(120 + 30 * Math.sin(x / 90) + 20 * Math.cos(y / 70));
    return [value, value, clamped(value - 12)];
  });
}

const clamped = (value: number): number => Math.max(0, Math.min(255, Math.round(value)));

/** A part of a picture, `0..1` of its sides. */
type Part = readonly [left: number, top: number, right: number, bottom: number];

/** Mean colour of what a pixel covers of a picture. */
function sampled({ data, width, height }: Picture, [left, top, right, bottom]: Part, cells: [number, number]): Paint {
  const [stepX, stepY] = [(right - left) * width / cells[0], (bottom - top) * height / cells[1]];
  return (x, y) => {
    const sum = [0, 0, 0];
    const [x0, y0] = [Math.floor(left * width + x * stepX), Math.floor(top * height + y * stepY)];
    const [nx, ny] = [Math.max(1, Math.round(stepX)), Math.max(1, Math.round(stepY))];
    for (let j = 0; j < ny; j++) {
      for (let i = 0; i < nx; i++) {
        const at = 3 * (Math.min(height - 1, y0 + j) * width + Math.min(width - 1, x0 + i));
        for (let c = 0; c < 3; c++) sum[c]! += data[at + c]!;
      }
    }
    return sum.map((value) => Math.round(value / (nx * ny))) as unknown as Color;
  };
}

/** Photos in tiles of several scales: each whole, its halves, and pieces of it. */
function mosaic(photos: readonly Picture[], width: number, height: number, seed: number): Picture {
  const random = randomFrom(seed);
  const columns = 3;
  const [tileWidth, tileHeight] = [Math.ceil(width / columns), Math.ceil(height / columns)];
  const tiles = Array.from({ length: columns * columns }, (_, i) => {
    const scale = [1, 0.5, 0.25][i % 3]!;
    const [left, top] = [random() * (1 - scale), random() * (1 - scale)];
    const photo = photos[Math.floor(i / 3 + i) % photos.length]!;
    return sampled(photo, [left, top, left + scale, top + scale], [tileWidth, tileHeight]);
  });
  return painted(width, height, (x, y) => {
    const [column, row] = [Math.floor(x / tileWidth), Math.floor(y / tileHeight)];
    return tiles[columns * row + column]!(x % tileWidth, y % tileHeight);
  });
}

/** A piece of a photo, twice as large, standing upright. */
function closeUp(photo: Picture, width: number, height: number): Picture {
  return painted(width, height, sampled(photo, [0.3, 0.1, 0.7, 0.9], [width, height]));
}

/** A picture that was made, and its name. */
export interface GeneratedPicture {
  readonly name: string;
  readonly picture: Picture;
}

/**
 * Five pictures of different sizes and shapes, so that letterboxing has something to do as well.
 * @param photos at least one, for pieces at other scales
 */
export function generatedPictures(photos: readonly Picture[]): GeneratedPicture[] {
  return [
    { name: "shapes, wide", picture: shapes(800, 450, 1) },
    { name: "shapes, upright", picture: shapes(360, 640, 2) },
    { name: "codes and bars", picture: codes(640, 640, 3) },
    { name: "photos in tiles", picture: mosaic(photos, 960, 720, 4) },
    { name: "close-up", picture: closeUp(photos[0]!, 480, 800) },
  ];
}
