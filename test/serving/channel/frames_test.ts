import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type ByteSource,
  frameHead,
  FrameReader,
  FrameWriter,
  MAX_HEADER_BYTES,
} from "../../../src/serving/channel/frames.ts";

/** Gives the bytes in pieces of the wanted sizes, over and over. */
function sourceOf(bytes: Uint8Array, sizes: readonly number[]): ByteSource {
  let at = 0, turn = 0;
  return {
    read(into) {
      if (at === bytes.length) return Promise.resolve(null);
      const count = Math.min(into.length, bytes.length - at, sizes[turn++ % sizes.length]!);
      into.set(bytes.subarray(at, at + count));
      at += count;
      return Promise.resolve(count);
    },
  };
}

async function written(frames: readonly { header: unknown; payload: Uint8Array }[], most: number): Promise<Uint8Array> {
  const bytes: number[] = [];
  const writer = new FrameWriter({
    write(piece) {
      const taken = piece.subarray(0, Math.max(1, Math.min(piece.length, most)));
      bytes.push(...taken);
      return Promise.resolve(taken.length);
    },
  });
  await Promise.all(frames.map((frame) => writer.write(frame.header, frame.payload)));
  return Uint8Array.from(bytes);
}

Deno.test("frames: what was written is read, however the bytes are cut", async () => {
  const frame = fc.record({
    header: fc.record({ id: fc.integer(), text: fc.string({ unit: "binary" }) }),
    payload: fc.uint8Array({ maxLength: 3000 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(frame, { maxLength: 5 }),
      fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 900 }),
      async (frames, cuts, most) => {
        const reader = new FrameReader(sourceOf(await written(frames, most), cuts));
        for (const { header, payload } of frames) {
          const read = await reader.next();
          assert.deepEqual(read!.header, JSON.parse(JSON.stringify(header)));
          assert.deepEqual(Array.from(read!.payload), Array.from(payload));
        }
        assert.equal(await reader.next(), null);
      },
    ),
    { numRuns: 300, seed: 7 },
  );
});

Deno.test("frames: a large payload arrives whole", async () => {
  const payload = new Uint8Array(3_000_001).map((_, i) => i * 31);
  const bytes = new Uint8Array([...frameHead({ id: 1 }, payload.length), ...payload]);
  const frame = await new FrameReader(sourceOf(bytes, [65_536, 1, 200_000])).next();
  assert.deepEqual(frame!.payload, payload);
});

Deno.test("frames: an end inside a frame is an error", async () => {
  const bytes = frameHead({ id: 1 }, 100);
  for (const cut of [1, 7, 8, 12, bytes.length]) {
    await assert.rejects(new FrameReader(sourceOf(bytes.subarray(0, cut), [1000])).next(), /ended inside a frame/);
  }
});

Deno.test("frames: an absurd length is refused before memory is taken", async () => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setUint32(0, MAX_HEADER_BYTES + 1, true);
  await assert.rejects(new FrameReader(sourceOf(bytes, [8])).next(), RangeError);
});

Deno.test("frames: a header that is not JSON is an error", async () => {
  const bytes = frameHead({ id: 1 }, 0);
  bytes[8] = 0xff;
  await assert.rejects(new FrameReader(sourceOf(bytes, [100])).next());
});
