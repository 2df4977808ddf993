/** JPEG files through libtrtd and the fake nvJPEG: `jpeg_scenario.ts OPTIONS` prints one JSON value. */
import { Device, openCuda } from "../../ffi/cuda.ts";
import { JpegBackend } from "../../ffi/enums.ts";
import { liveHandles } from "../../ffi/handle.ts";
import { JpegDecoder } from "../../ffi/jpeg.ts";
import { baselineJpeg, segment } from "../detect/jpeg_writer.ts";
import { attempt } from "./scenario_steps.ts";

/** What is decoded, and by what. */
export interface JpegScenario {
  readonly driver: string;
  readonly nvjpeg: string | null;
  readonly backend: keyof typeof JpegBackend;
  /** Comments for the fake, one for each picture. */
  readonly pictures: readonly string[];
  /** Whether colours are to be interpolated. @default true */
  readonly interpolate?: boolean;
  /** Times that they are decoded. @default 1 */
  readonly times?: number;
}

const WIDTH = 16, HEIGHT = 8;

/** A real JPEG with a comment. */
function jpeg(comment: string): Uint8Array<ArrayBuffer> {
  const plane = new Float32Array(WIDTH * HEIGHT).fill(128);
  const segments = [segment(0xfe, new TextEncoder().encode(`fake ${comment}`))];
  return baselineJpeg({ width: WIDTH, height: HEIGHT, components: [{ plane, h: 1, v: 1 }], segments });
}

async function run(
  { driver, nvjpeg, backend, pictures, interpolate = true, times = 1 }: JpegScenario,
): Promise<unknown> {
  await openCuda(driver);
  using device = await Device.open(0);
  const where = nvjpeg === null ? {} : { path: nvjpeg };
  const opened = await attempt(() =>
    JpegDecoder.open(device, { ...where, backend: JpegBackend[backend], interpolate })
  );
  if (!(opened instanceof JpegDecoder)) return opened;
  using decoder = opened;
  using stream = device.createStream();
  const bytes = 3 * WIDTH * HEIGHT;
  using memory = device.allocate(bytes * pictures.length);
  const files = pictures.map((comment, i) => {
    return { data: jpeg(comment), width: WIDTH, height: HEIGHT, memory, offset: bytes * i };
  });
  for (let time = 0; time < times; time++) {
    const failure = await attempt(async () => await decoder.decode(files, stream));
    if (failure !== undefined) return { failure, facts: decoder.facts() };
  }
  const pixels = pictures.map((_, i) => {
    const data = memory.read(bytes * i, bytes);
    return [[...data.subarray(0, 3)], [...data.subarray(-3)]];
  });
  return { pixels, facts: decoder.facts() };
}

const result = await run(JSON.parse(Deno.args[0]!) as JpegScenario);
console.log(JSON.stringify({ result, handles: liveHandles() }));
Deno.exit(0);
