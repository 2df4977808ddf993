import assert from "node:assert/strict";
import { TrtdError } from "../../../src/errors.ts";
import {
  gpuDevice,
  gpuLabel,
  kindsOf,
  ONLY_PLACE,
  type PlaceGpu,
  placesOn,
} from "../../../src/serving/policy/places.ts";

const gpu = (index: number, name = "NVIDIA Fake 4090", compute_capability = "8.9"): PlaceGpu => ({
  index,
  name,
  uuid: `GPU-a${index}a${index}a${index}a${index}`,
  compute_capability,
});

const GPUS = [gpu(0), gpu(1), gpu(2, "NVIDIA Fake 5090", "12.0")];

const find = (name: string) =>
  GPUS.find(({ index, uuid }) => String(index) === name || name.length >= 8 && uuid.startsWith(name))?.index ?? null;

const failure = (names: readonly string[]): TrtdError => {
  try {
    placesOn(names, GPUS, find);
  } catch (error) {
    assert.ok(error instanceof TrtdError, String(error));
    return error;
  }
  throw new Error("nothing was refused");
};

Deno.test("places: one for each named GPU in that order, told by UUID because an index may change", () => {
  assert.deepEqual(placesOn(["2", "0"], GPUS, find), [
    { gpu: GPUS[2], device: GPUS[2]!.uuid },
    { gpu: GPUS[0], device: GPUS[0]!.uuid },
  ]);
  assert.deepEqual(placesOn("all", GPUS, find).map(({ gpu }) => gpu?.index), [0, 1, 2]);
});

Deno.test("places: fewer than two GPUs are the one place that there is without the setting", () => {
  assert.deepEqual(placesOn("all", [gpu(0)], find), [ONLY_PLACE]);
  assert.deepEqual(placesOn("all", [], find), [ONLY_PLACE]);
});

Deno.test("places: GPUs that share a UUID or have none are told by index", () => {
  const twins = [gpu(0), gpu(1)].map((one) => ({ ...one, uuid: "GPU-00000000" }));
  assert.deepEqual(placesOn("all", twins, find).map(({ device }) => device), ["0", "1"]);
});

Deno.test("places: a GPU that is not there is refused with those that are, and with what takes them", () => {
  const { code, message, remedy } = failure(["0", "7"]);
  assert.equal(code, "GPU_UNAVAILABLE");
  assert.match(
    message,
    /^"device" names "7", which is no GPU here: there are 0 \(NVIDIA Fake 4090, GPU-a0a0a0a0\), 1 \(/,
  );
  assert.match(remedy, /"all" takes those that there are/);
});

Deno.test("places: one GPU under two names is refused", () => {
  const { code, message, remedy } = failure(["1", "0", "GPU-a1a1a1a1"]);
  assert.equal(code, "CONFIG_INVALID");
  assert.equal(message, '"device" names GPU 1 (NVIDIA Fake 4090) twice: "1" and "GPU-a1a1a1a1"');
  assert.match(remedy, /"instances" tells how many workers run on each/);
});

Deno.test("places: GPUs of one name and compute capability share engines; where all do, the kind has no name", () => {
  const [a, b, c] = placesOn("all", GPUS, find);
  assert.deepEqual(kindsOf([a!, b!, c!]), [
    { name: "NVIDIA Fake 4090, compute capability 8.9", device: a!.device, places: [a, b] },
    { name: "NVIDIA Fake 5090, compute capability 12.0", device: c!.device, places: [c] },
  ]);
  assert.deepEqual(kindsOf([a!, b!]), [{ name: null, device: a!.device, places: [a, b] }]);
  assert.deepEqual(kindsOf([ONLY_PLACE]), [{ name: null, device: null, places: [ONLY_PLACE] }]);
});

Deno.test("places: a GPU is called as people and as backends call it", () => {
  assert.deepEqual([gpuLabel(GPUS[1]!), gpuDevice(GPUS[1]!)], ["GPU 1 (NVIDIA Fake 4090)", "cuda:1 NVIDIA Fake 4090"]);
});
