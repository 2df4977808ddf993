import assert from "node:assert/strict";
import { decode, encodeDims, layoutOf, type RecordName, records } from "../../ffi/records.ts";

Deno.test("records: places follow C's rules of alignment", () => {
  const places = Object.fromEntries(layoutOf("trtd_device_info").places.map(({ name, offset }) => [name, offset]));
  assert.equal(places["memory_total"], 32);
  assert.equal(places["uuid"], 48);
  assert.equal(places["pci_bus_id"], 320);
  assert.deepEqual(layoutOf("trtd_tensor_info").places.map(({ offset }) => offset), [0, 4, 8, 12, 16, 20, 24, 96]);
});

Deno.test("records: sizes are multiples of 8", () => {
  for (const name of Object.keys(records) as RecordName[]) assert.equal(layoutOf(name).size % 8, 0, name);
});

Deno.test("records: shapes keep their sizes, dynamic ones too", () => {
  for (const shape of [[], [1], [-1, 3, 640, 1152], [2 ** 40, 2, 3, 4, 5, 6, 7, 8]]) {
    const { count, size } = decode("trtd_dims", encodeDims(shape));
    assert.deepEqual(size.slice(0, count), shape);
  }
  assert.throws(() => encodeDims([1, 2, 3, 4, 5, 6, 7, 8, 9]), /A shape has at most 8 dimensions, not 9/);
  assert.throws(() => encodeDims([1.5]), RangeError);
});

Deno.test("records: texts end at the first NUL, and reserved fields stay out", () => {
  const bytes = new Uint8Array(layoutOf("trtd_error").size);
  bytes[0] = 14;
  bytes.set(new TextEncoder().encode("Größe\0rest"), 16);
  assert.deepEqual(decode("trtd_error", bytes), { status: 14, origin: 0, code: 0, length: 0, message: "Größe" });
  assert.ok(!("reserved" in decode("trtd_network_info", new Uint8Array(32))));
});

Deno.test("records: a number beyond the safe integers is refused", () => {
  const bytes = new Uint8Array(layoutOf("trtd_engine_info").size).fill(0x7f, 0, 8);
  assert.throws(() => decode("trtd_engine_info", bytes), /beyond the safe integers/);
});
