import assert from "node:assert/strict";
import fc from "fast-check";
import { LineSplitter } from "../../../../src/tensorrt/build/child/line_splitter.ts";

const encoder = new TextEncoder();

function split(chunks: readonly Uint8Array[], limit?: number): string[] {
  const splitter = new LineSplitter(limit === undefined ? {} : { limit });
  return [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.end()];
}

Deno.test("lines: chunks may end inside lines and characters, wherever they are cut", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 40 }).map((line) => line.replaceAll(/[\r\n\0\uFEFF]/g, ""));
  fc.assert(
    fc.property(fc.array(text, { maxLength: 12 }), fc.array(fc.nat(200), { maxLength: 8 }), (lines, cuts) => {
      const bytes = encoder.encode(lines.map((line) => `${line}\n`).join(""));
      const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
      const chunks = ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
      assert.deepEqual(split(chunks), lines.map((line) => new TextDecoder().decode(encoder.encode(line))));
    }),
    { seed: 4, numRuns: 300 },
  );
});

Deno.test("lines: what follows the last line end is a line", () => {
  assert.deepEqual(split([encoder.encode("one\r\ntwo")]), ["one", "two"]);
  assert.deepEqual(split([encoder.encode("")]), []);
});

Deno.test("lines: bytes that are not UTF-8 become replacement characters, and an unfinished character too", () => {
  assert.deepEqual(split([Uint8Array.of(0x61, 0xff, 0x0a), Uint8Array.of(0xe2, 0x82)]), ["a\uFFFD", "\uFFFD"]);
});

Deno.test("lines: a line without end is kept to its limit and does not swallow the next", () => {
  const chunks = ["aaaa", "bbbb", "cc", "\nnext\n"].map((text) => encoder.encode(text));
  assert.deepEqual(split(chunks, 6), ["aaaabb", "next"]);
  assert.deepEqual(split([encoder.encode("0123456789\nnext")], 6), ["012345", "next"]);
});
