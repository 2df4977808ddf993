import assert from "node:assert/strict";
import { type GuardEngine, type GuardMachine, upgradeReport } from "../../src/cache/guard.ts";
import { type AnyKey, keyFrom, type KeyInputs } from "../../src/cache/key.ts";
import { INPUTS } from "./set_up.ts";

const MACHINE: GuardMachine = {
  tensorrt: INPUTS.tensorrt,
  gpu: INPUTS.gpu,
  driver: INPUTS.driver,
  jetpack: null,
  platform: INPUTS.platform,
  shim: INPUTS.shim,
};

const engine = (inputs: Partial<KeyInputs> = {}, rest: Partial<GuardEngine> = {}): GuardEngine => ({
  place: "shelf/fp16/bs4",
  model: "shelf",
  path: "shelf.engine",
  current: true,
  entry: {
    key: keyFrom({ ...INPUTS, ...inputs }) as unknown as AnyKey,
    facts: { duration_s: 42.5, machine: { driver: "580.95.05", jetpack: null } },
  },
  ...rest,
});

const rtx: KeyInputs["tensorrt"] = { product: "tensorrt-rtx", family: "rtx-1.5", version: "1.6.1.120", cuda: "12.9" };

Deno.test("upgrade guard: on the machine that built it nothing changes", () => {
  assert.deepEqual(upgradeReport([engine()], MACHINE), { changes: [], rebuilt: [], kept: ["shelf.engine"] });
});

Deno.test("upgrade guard: a new TensorRT, driver or JetPack is told with what it costs", () => {
  const machine = {
    ...MACHINE,
    tensorrt: { ...MACHINE.tensorrt, version: "10.14.1.48" },
    driver: "590.10",
    jetpack: "36.4.7",
  };
  const old = engine({}, {
    entry: { ...engine().entry, facts: { duration_s: 42.5, machine: { driver: "580.95.05", jetpack: "36.4.3" } } },
  });
  const report = upgradeReport([old, { ...old, place: "other" }], machine);
  assert.deepEqual(report.changes, [
    { field: "tensorrt_version", old: "10.13.2.6", new: "10.14.1.48" },
    { field: "driver_branch", old: "580", new: "590" },
    { field: "driver", old: "580.95.05", new: "590.10" },
    { field: "jetpack", old: "36.4.3", new: "36.4.7" },
  ]);
  assert.deepEqual(report.rebuilt.map(({ place, expected_s }) => [place, expected_s]), [["shelf/fp16/bs4", 42.5], [
    "other",
    42.5,
  ]]);
  assert.deepEqual(report.rebuilt[0]!.differences.map(({ field }) => field), ["tensorrt_version", "driver_branch"]);
});

Deno.test("upgrade guard: a driver of the same branch is told, but nothing is built again", () => {
  const { changes, rebuilt } = upgradeReport([engine()], { ...MACHINE, driver: "580.126.09" });
  assert.deepEqual(changes, [{ field: "driver", old: "580.95.05", new: "580.126.09" }]);
  assert.deepEqual(rebuilt, []);
});

Deno.test("upgrade guard: an engine that was kept apart for this machine saves the build", () => {
  const [here, apart] = [
    engine({ tensorrt: { ...INPUTS.tensorrt, version: "10.12.0.36" } }),
    engine({}, { path: ".others/x/shelf.engine", current: false }),
  ];
  const { rebuilt, kept, changes } = upgradeReport([here, apart], MACHINE);
  assert.deepEqual([rebuilt, kept], [[], [".others/x/shelf.engine"]]);
  assert.deepEqual(changes.map(({ field }) => field), ["tensorrt_version"]);
});

Deno.test("upgrade guard: an RTX engine fits any GPU that it names and any driver", () => {
  const portable = engine({ tensorrt: rtx, targets: [75, 89] });
  const machine = { ...MACHINE, tensorrt: rtx };
  const l4 = { name: "NVIDIA L4", computeCapability: "8.9" };
  assert.deepEqual(upgradeReport([portable], { ...machine, gpu: l4, driver: "590.1" }).rebuilt, []);
  const blackwell = { name: "NVIDIA GeForce RTX 5090", computeCapability: "12.0" };
  assert.deepEqual(upgradeReport([portable], { ...machine, gpu: blackwell }).rebuilt[0]!.differences, [
    { field: "targets", old: [75, 89], new: [120] },
  ]);
});
