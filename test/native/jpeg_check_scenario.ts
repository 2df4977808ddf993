/**
 * The check of JPEG data against libjpeg's opinion: prints what was compared as JSON. Every file that both
 * `deviceJpeg` and the check let pass must be one that the CPU's decoder shows, with the same size.
 */
import { checkJpeg } from "../../ffi/jpeg.ts";
import { ShimError } from "../../ffi/shim_error.ts";
import { decodePicture } from "../../src/detect/picture/decode.ts";
import { deviceJpeg } from "../../src/detect/picture/device_jpeg.ts";
import { loadSharp } from "../../src/native/sharp.ts";
import { baselineJpeg, concat, ycc } from "../detect/jpeg_writer.ts";
import { smoothPicture } from "../detect/seeded_picture.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const WIDTH = 120, HEIGHT = 72;

/** xorshift32: the same damage on every machine. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

async function soundFiles(): Promise<Map<string, Bytes>> {
  const files = new Map<string, Bytes>();
  const { data } = smoothPicture(WIDTH, HEIGHT);
  for (let i = 0; i < data.length; i++) data[i] = data[i]! ^ (i * 2654435761 >>> 27);
  const raw = (await loadSharp())(data, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
  const options = [
    ["default", {}],
    ["4:4:4", { chromaSubsampling: "4:4:4" }],
    ["standard tables", { optimizeCoding: false }],
    ["quality 100", { quality: 100 }],
    ["quality 10", { quality: 10 }],
  ] as const;
  for (const [name, option] of options) {
    files.set(name, new Uint8Array(await raw.clone().jpeg({ quality: 85, ...option }).toBuffer()));
  }
  files.set("gray", new Uint8Array(await raw.clone().grayscale().jpeg().toBuffer()));
  const planes = ycc(data);
  for (const [h, v] of [[1, 1], [2, 1], [1, 2], [2, 2]] as const) {
    const components = planes.map((plane, i) => ({ plane, h: i === 0 ? h : 1, v: i === 0 ? v : 1 }));
    const size = { width: WIDTH, height: HEIGHT };
    files.set(`${h} x ${v}`, baselineJpeg({ ...size, components }));
    files.set(`${h} x ${v} with restarts`, baselineJpeg({ ...size, components, restartInterval: 5 }));
  }
  return files;
}

/** A damaged copy; the kind follows from the seed. */
function damaged(file: Bytes, seed: number): Bytes {
  const pick = numbers(seed * 7919 + 1);
  const out = file.slice();
  const scan = file.findIndex((byte, i) => byte === 0xff && file[i + 1] === 0xda) + 14;
  const at = scan + pick(file.length - scan - 2);
  switch (seed % 6) {
    case 0:
      out[at]! ^= 1 << pick(8);
      return out;
    case 1:
      return concat([file.subarray(0, at), [0xff, 0xd9]]);
    case 2:
      return concat([file.subarray(0, at), file.subarray(Math.min(file.length - 2, at + 1 + pick(200)))]);
    case 3:
      return out.fill(0, at, Math.min(file.length - 2, at + 1 + pick(64)));
    case 4:
      out[2 + pick(scan - 2)]! ^= 1 << pick(8);
      return out;
    default:
      for (let i = at; i < Math.min(file.length - 2, at + 32); i++) out[i] = pick(255);
      return out;
  }
}

async function passes(file: Bytes): Promise<boolean> {
  const found = deviceJpeg(file);
  if (found === null) return false;
  try {
    await checkJpeg(file.slice(0, found.length), found.width, found.height);
    return true;
  } catch (error) {
    if (error instanceof ShimError && error.statusName === "PICTURE_REFUSED") return false;
    throw error;
  }
}

async function shown(file: Bytes): Promise<boolean> {
  try {
    const { width, height } = await decodePicture(file);
    const found = deviceJpeg(file);
    return found === null || (found.width === width && found.height === height);
  } catch {
    return false;
  }
}

const result = { sound: 0, soundRefused: [] as string[], passed: 0, refused: 0, wrong: [] as string[] };
for (const [name, file] of await soundFiles()) {
  result.sound++;
  if (!await passes(file)) result.soundRefused.push(name);
  for (let seed = 1; seed <= 150; seed++) {
    const bad = damaged(file, seed);
    if (!await passes(bad)) result.refused++;
    else if (await shown(bad)) result.passed++;
    else result.wrong.push(`${name}, seed ${seed}`);
  }
}
console.log(JSON.stringify(result));
Deno.exit(0);
