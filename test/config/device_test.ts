import assert from "node:assert/strict";
import { mergeConfig } from "../../src/config/config.ts";
import { deviceChoice, oneDevice } from "../../src/config/device.ts";
import { TrtdError } from "../../src/errors.ts";

const inFile = (device: unknown) =>
  mergeConfig({ environment: {}, flags: {}, documents: [{ origin: "f.json", value: { device } }] }).config.device;

const asFlag = (device: string) => mergeConfig({ environment: {}, flags: { device } }).config.device;

Deno.test("device: nothing and auto are the first GPU, all is every one, else names in their order", () => {
  const uuid = "GPU-a0a0a0a0-a0a0-a0a0-a0a0-a0a0a0a0a0a0";
  for (
    const [text, choice, one] of [
      [undefined, "first", undefined],
      ["auto", "first", undefined],
      ["all", "all", undefined],
      ["ALL", "all", undefined],
      ["1", ["1"], "1"],
      [uuid, [uuid], uuid],
      [`1, ${uuid}`, ["1", uuid], "1"],
    ] as const
  ) {
    assert.deepEqual(deviceChoice(text), choice);
    assert.equal(oneDevice(text), one);
  }
});

Deno.test("device: a file may have an index as a number and several as a list", () => {
  assert.deepEqual([0, "0", [0, 1], ["1", "GPU-a0a0a0a0"], "0,1"].map(inFile), [
    "0",
    "0",
    "0,1",
    "1,GPU-a0a0a0a0",
    "0,1",
  ]);
  assert.equal(asFlag("1,0"), "1,0");
});

const BAD: readonly [value: unknown, says: RegExp][] = [
  ["0,0", /must name each GPU once, "0" stands there twice/],
  ["1,01", /must name each GPU once, "01" stands there twice/],
  ["GPU-a0a0a0a0,gpu-A0A0A0A0", /must name each GPU once/],
  ["0,", /"" is none/],
  ["0,all", /must be auto, all, or indexes and UUIDs of GPUs separated by commas; "all" is none/],
  ["0,first", /"first" is none/],
  ["0,12345", /"12345" is none/],
  [" ", /must name a GPU/],
  ["", /must be indexes or UUIDs of GPUs/],
  [[], /must be indexes or UUIDs of GPUs/],
  [-1, /must be indexes or UUIDs of GPUs/],
  [[0, 0], /must name each GPU once/],
  [{}, /must be indexes or UUIDs of GPUs/],
];

for (const [value, says] of BAD) {
  Deno.test(`device: ${JSON.stringify(value)} is refused with the rule that it breaks`, () => {
    assert.throws(() => inFile(value), (error: unknown) => {
      assert.ok(error instanceof TrtdError);
      assert.equal(error.code, "CONFIG_INVALID");
      assert.match(error.message, says);
      return true;
    });
  });
}
