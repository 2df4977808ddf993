import assert from "node:assert/strict";
import fc from "fast-check";
import { ERRORS } from "../../../src/errors.ts";
import {
  capabilityNumber,
  capabilityRow,
  jetPackOf,
  RELEASES,
  supportedReleases,
  targetsFor,
} from "../../../src/tensorrt/support/install_advice.ts";
import { supportVerdict } from "../../../src/tensorrt/support/support.ts";
import type { SupportQuestion } from "../../../src/tensorrt/support/support_case.ts";
import {
  JETPACKS,
  type Platform,
  PLATFORMS,
  REFUSALS,
  RTX_TARGETS,
  SUPPORT,
} from "../../../src/tensorrt/support/support_table.ts";
import { familyOf, type Product, versionFromText } from "../../../src/tensorrt/versions.ts";

type Extra = Partial<Pick<SupportQuestion, "cuda" | "driver" | "driverCuda" | "precision" | "dla">>;

function ask(product: Product, version: string, capability: string, platform: Platform, extra: Extra = {}) {
  return supportVerdict({
    tensorrt: { product, version },
    gpu: { name: "Some GPU", computeCapability: capability },
    platform,
    ...extra,
  });
}

const PC: Platform = "linux-x86_64";
const WINDOWS: Platform = "windows-x86_64";
const JETSON: Platform = "jetpack";
const SERVER: Platform = "linux-aarch64";

/** `fine`, the ids of the remarks, or the code of the refusal. */
type Expected = "fine" | readonly string[] | `!${string}`;
type Pair = readonly [version: string, capability: string, platform: Platform, expected: Expected, extra?: Extra];

const GPU = "!GPU_UNSUPPORTED";
const VERSION = "!TENSORRT_UNSUPPORTED";
const DRIVER = "!DRIVER_TOO_OLD";
const PRECISION = "!PRECISION_UNSUPPORTED";

const TENSORRT: readonly Pair[] = [
  // 8.x
  ["8.4.3", "8.6", PC, VERSION],
  ["8.5.1", "3.5", PC, ["note", "tf32-off"]],
  ["8.5.3", "5.0", PC, ["tf32-off"]],
  ["8.5.3", "8.6", PC, ["cuda-build"]],
  ["8.5.3", "8.6", PC, "fine", { cuda: "11.8" }],
  ["8.5.3", "8.9", PC, ["unchecked"]],
  ["8.5.3", "9.0", PC, "fine"],
  ["8.5.3", "10.0", PC, GPU],
  ["8.6.1", "3.5", PC, GPU],
  ["8.6.1", "5.2", PC, ["tf32-off"]],
  ["8.6.1", "6.1", PC, ["tf32-off"]],
  ["8.6.1", "7.0", PC, ["tf32-off"]],
  ["8.6.1", "7.5", PC, ["tf32-off"]],
  ["8.6.1", "8.0", PC, "fine"],
  ["8.6.1", "9.0", PC, "fine"],
  ["8.6.1", "10.0", PC, GPU],
  ["8.6.1.6", "12.0", PC, GPU],
  ["8.6.1", "12.0", WINDOWS, GPU],
  ["8.6.1", "12.1", SERVER, GPU],
  // 9.x
  ["9.0.1", "5.2", PC, GPU],
  ["9.0.1", "6.1", PC, ["unchecked", "tf32-off"]],
  ["9.3.0", "9.0", PC, ["unchecked"]],
  ["9.3.0", "12.0", PC, GPU],
  ["9.3.0", "8.6", WINDOWS, GPU],
  ["9.3.0", "9.0", SERVER, GPU],
  // 10.x
  ["10.0.1", "6.1", PC, GPU],
  ["10.0.1", "7.0", PC, ["note", "tf32-off"]],
  ["10.4.0", "7.0", PC, ["note", "tf32-off"]],
  ["10.5.0", "7.0", PC, GPU],
  ["10.5.0", "7.5", PC, ["tf32-off"]],
  ["10.7.0", "9.0", PC, "fine"],
  ["10.7.0", "10.0", PC, GPU],
  ["10.7.0", "12.0", PC, GPU],
  ["10.8.0", "12.0", PC, ["cuda-build"]],
  ["10.8.0", "12.0", PC, "fine", { cuda: "12.8" }],
  ["10.8.0", "12.0", PC, "fine", { cuda: "12" }],
  ["10.8.0", "12.0", PC, GPU, { cuda: "11.8" }],
  ["10.8.0", "12.0", PC, GPU, { cuda: "11" }],
  ["10.8.0", "10.0", WINDOWS, "fine", { cuda: "12.8" }],
  ["10.13.0", "8.6", PC, "fine", { cuda: "11.8" }],
  ["10.13.2", "8.6", PC, ["cuda-build-unknown"], { cuda: "11.8" }],
  ["10.13.2", "12.0", PC, "fine"],
  ["10.14.1", "10.3", PC, ["not-listed"]],
  ["10.15.1", "10.3", PC, "fine"],
  ["10.16.1", "12.1", SERVER, ["not-listed"]],
  ["10.16.1", "9.0", SERVER, ["unchecked"]],
  ["10.16.1", "7.5", PC, ["tf32-off"]],
  ["10.17.0", "8.6", PC, ["newer-than-known"]],
  // 11.x
  ["11.0.0", "7.0", PC, GPU],
  ["11.0.0", "7.5", PC, ["tf32-off"]],
  ["11.4.0", "12.0", PC, "fine"],
  ["11.4.0", "8.7", PC, GPU],
  ["11.5.0", "12.0", PC, ["newer-than-known"]],
  ["11.5.0", "13.0", PC, ["newer-than-known", "gpu-unknown"]],
  ["11.4.0", "13.0", PC, GPU],
  ["12.0.0", "12.0", PC, VERSION],
  // Jetson
  ["8.2.1", "5.3", JETSON, VERSION],
  ["8.5.2", "7.2", JETSON, ["tf32-off"]],
  ["8.5.2", "8.7", JETSON, "fine"],
  ["8.6.2", "8.7", JETSON, "fine"],
  ["8.6.2", "7.2", JETSON, GPU],
  ["10.3.0", "8.7", JETSON, "fine"],
  ["10.7.0", "8.7", JETSON, "fine"],
  ["10.8.0", "8.7", JETSON, GPU],
  ["10.10.10", "10.1", JETSON, ["note"]],
  ["10.13.3", "11.0", JETSON, "fine"],
  ["10.13.3", "8.7", JETSON, GPU],
  ["10.16.1", "8.7", JETSON, GPU],
  ["10.16.2", "8.7", JETSON, "fine"],
  ["10.16.2", "11.0", JETSON, "fine"],
  ["11.4.0", "8.7", JETSON, GPU],
  ["11.4.1", "8.7", JETSON, "fine"],
  ["11.4.1", "11.0", JETSON, "fine"],
  ["10.11.0", "8.7", SERVER, GPU],
  // drivers
  ["10.16.1", "8.6", PC, DRIVER, { cuda: "13.2", driver: "575.57.08" }],
  ["10.16.1", "8.6", PC, ["driver-older-than-toolkit"], { cuda: "13.2", driver: "580.65.06" }],
  ["10.16.1", "8.6", PC, "fine", { cuda: "13.2", driver: "595.71.05" }],
  ["10.16.1", "8.6", PC, DRIVER, { cuda: "13.0", driverCuda: "12.4" }],
  ["10.16.1", "8.6", PC, "fine", { cuda: "12.9", driverCuda: "13.0", driver: "580.65.06" }],
  ["10.16.1", "8.6", PC, ["driver-older-than-toolkit"], { cuda: "12.9", driverCuda: "12.4", driver: "550.54.15" }],
  ["11.4.0", "8.6", PC, DRIVER, { driver: "515.43.04" }],
  ["11.4.0", "8.6", PC, "fine", { driver: "535.54.03" }],
  ["8.6.1", "8.6", WINDOWS, DRIVER, { cuda: "11.8", driver: "452.38" }],
  ["8.6.1", "8.6", WINDOWS, ["driver-older-than-toolkit"], { cuda: "11.8", driver: "452.39" }],
  ["10.3.0", "8.7", JETSON, "fine", { cuda: "12.6", driver: "1.0" }],
  ["10.4.0", "7.0", PC, GPU, { cuda: "13.0" }],
  // precisions
  ["8.6.1", "6.1", PC, PRECISION, { precision: "fp16" }],
  ["8.6.1", "6.1", PC, "fine", { precision: "int8" }],
  ["8.6.1", "7.5", PC, PRECISION, { precision: "tf32" }],
  ["10.16.1", "7.5", PC, "fine", { precision: "fp16" }],
  ["10.16.1", "7.5", PC, PRECISION, { precision: "bf16" }],
  ["8.6.1", "8.0", PC, PRECISION, { precision: "bf16" }],
  ["9.1.0", "8.0", PC, ["unchecked"], { precision: "bf16" }],
  ["9.0.1", "8.0", PC, PRECISION, { precision: "bf16" }],
  ["9.2.0", "8.0", PC, ["unchecked"], { precision: "bf16" }],
  ["10.16.1", "8.6", PC, PRECISION, { precision: "fp8" }],
  ["10.16.1", "8.9", PC, "fine", { precision: "fp8" }],
  ["10.7.0", "9.0", PC, PRECISION, { precision: "fp4" }],
  ["10.16.1", "9.0", PC, PRECISION, { precision: "fp4" }],
  ["10.16.1", "12.0", PC, "fine", { precision: "fp4" }],
  ["11.4.0", "8.6", PC, ["precision-in-model"], { precision: "fp16" }],
  // DLA
  ["10.7.0", "8.7", JETSON, "fine", { dla: true }],
  ["10.16.2", "8.7", JETSON, PRECISION, { dla: true }],
  ["11.4.1", "8.7", JETSON, "fine", { dla: true }],
  ["11.4.1", "11.0", JETSON, PRECISION, { dla: true }],
  ["10.7.0", "8.6", PC, PRECISION, { dla: true }],
  // nonsense
  ["8.x", "8.6", PC, VERSION],
  ["", "8.6", PC, VERSION],
  ["8.6.1", "", PC, GPU],
  ["8.6.1", "twelve", PC, GPU],
];

const RTX: readonly Pair[] = [
  ["1.2.0", "8.6", PC, VERSION],
  ["1.3.0", "7.5", PC, ["tf32-off"]],
  ["1.3.0", "8.0", PC, ["not-listed"]],
  ["1.3.0", "8.6", WINDOWS, "fine"],
  ["1.3.0", "9.0", PC, GPU],
  ["1.3.0", "12.0", PC, "fine"],
  ["1.4.0.76", "9.0", PC, ["not-listed"]],
  ["1.5.0.114", "9.0", PC, ["not-listed"]],
  ["1.6.1.120", "9.0", PC, ["not-listed"]],
  ["1.7.1.116", "9.0", PC, GPU],
  ["1.4.0.76", "9.0", WINDOWS, GPU],
  ["1.4.0.76", "7.0", PC, GPU],
  ["1.4.0.76", "12.1", PC, GPU],
  ["1.5.0.114", "12.1", PC, "fine"],
  ["1.7.1", "8.9", PC, "fine"],
  ["1.7.1", "10.0", PC, GPU],
  ["1.7.1", "8.7", JETSON, GPU],
  ["1.7.1", "9.0", SERVER, GPU],
  ["1.8.0", "8.9", PC, ["newer-than-known"]],
  ["2.0.0", "8.9", PC, VERSION],
  ["1.7.1", "7.5", PC, PRECISION, { precision: "bf16" }],
  ["1.7.1", "7.5", PC, PRECISION, { precision: "int8" }],
  ["1.7.1", "7.5", PC, ["precision-in-model"], { precision: "fp16" }],
  ["1.7.1", "8.9", PC, ["int8-weights-only"], { precision: "int8" }],
  ["1.7.1", "8.9", PC, "fine", { precision: "fp8" }],
];

for (const [product, pairs] of [["tensorrt", TENSORRT], ["tensorrt-rtx", RTX]] as const) {
  for (const [version, capability, platform, expected, extra] of pairs) {
    const about = extra === undefined ? "" : ` ${JSON.stringify(extra)}`;
    Deno.test(`support: ${product} ${version} on ${capability}, ${platform}${about}: ${expected}`, () => {
      const verdict = ask(product, version, capability, platform, extra);
      if (typeof expected === "string" && expected.startsWith("!")) {
        assert.equal(verdict.code, expected.slice(1), JSON.stringify(verdict));
        assert.equal(verdict.verdict, "impossible");
      } else {
        assert.deepEqual(verdict.remarks.map((remark) => remark.id), expected === "fine" ? [] : expected);
        assert.equal(verdict.verdict, expected === "fine" ? "fine" : "remarks");
        assert.equal(verdict.code, null);
      }
    });
  }
}

Deno.test("support: the incident is refused with its cause and with what to install", () => {
  const verdict = supportVerdict({
    tensorrt: { product: "tensorrt", version: "8.6.1" },
    gpu: { name: "NVIDIA GeForce RTX 5060", computeCapability: "12.0" },
    platform: "linux-x86_64",
    driver: "575.57.08",
    precision: "fp16",
  });
  assert.equal(verdict.verdict, "impossible");
  assert.equal(verdict.code, "GPU_UNSUPPORTED");
  assert.match(
    verdict.reason!,
    /TensorRT 8\.6\.1 cannot run on "NVIDIA GeForce RTX 5060" \(compute capability 12\.0\)/,
  );
  assert.match(verdict.reason!, /smVerHex2Dig/);
  assert.match(verdict.remedy!, /TensorRT 10\.8 or later \(a build for CUDA 12\.8 or later\)/);
  assert.match(verdict.remedy!, /TensorRT-RTX/);
  assert.equal(verdict.evidence, "reported");
});

Deno.test("support: what is advised for a GPU is itself not refused", () => {
  for (const platform of Object.keys(PLATFORMS) as Platform[]) {
    for (const product of ["tensorrt", "tensorrt-rtx"] as const) {
      for (const capability of new Set(SUPPORT.flatMap((row) => row.capabilities))) {
        for (const run of supportedReleases(product, capability, platform)) {
          const first = /^\d+\.\d+/.exec(run)![0];
          const verdicts = Array.from(
            { length: 4 },
            (_, patch) => ask(product, `${first}.${patch}`, capability, platform),
          );
          assert.ok(verdicts.some((verdict) => verdict.verdict !== "impossible"), `${product} ${run} ${capability}`);
        }
      }
    }
  }
});

Deno.test("support: the advice for a Jetson names JetPack releases", () => {
  assert.match(
    ask("tensorrt", "11.4.0", "8.7", "jetpack").remedy!,
    /^Install JetPack 5\.1\.x \(TensorRT 8\.5\.2\), 6\.0/,
  );
  assert.match(ask("tensorrt", "11.4.0", "11.0", "jetpack").remedy!, /^Install JetPack 7\.0 and 7\.1/);
  assert.match(ask("tensorrt", "8.2.1", "5.3", "jetpack").remedy!, /^Use --backend onnxruntime/);
});

Deno.test("support: the rows are whole, have a source, and name GPUs that the precision table has", () => {
  for (const row of SUPPORT) {
    assert.ok(row.source.length > 0 && row.platforms.length > 0 && row.cuda.length > 0);
    for (const capability of row.capabilities) assert.ok(capabilityRow(capability) !== null, capability);
    for (const version of [row.from, row.to, ...row.cuda]) assert.ok(versionFromText(version) !== null, version);
    if (!row.listed) assert.ok(["measured", "unchecked", "documented"].includes(row.evidence));
  }
  for (const row of REFUSALS) {
    assert.ok(capabilityNumber(row.min)! <= capabilityNumber(row.max)!);
    assert.doesNotMatch(row.because, /^[A-Z][a-z]+ [a-z]+ing|\.$/);
  }
});

Deno.test("support: every release that trtd drives has a GPU, and every refusal is one", () => {
  for (const product of ["tensorrt", "tensorrt-rtx"] as const) {
    for (const release of RELEASES[product]) {
      const version = versionFromText(release)!;
      assert.ok(familyOf({ product, version }).known, release);
      assert.notEqual(ask(product, release, "8.6", "linux-x86_64", { cuda: "12.9" }).verdict, "impossible", release);
    }
  }
  for (const row of REFUSALS) {
    if (
      versionFromText(row.from)!.major < 8 ||
      familyOf({ product: row.product, version: versionFromText(row.to)! }).family === null
    ) continue;
    const platform = row.platforms?.[0] ?? "linux-x86_64";
    for (const capability of [row.min, row.max]) {
      assert.equal(ask(row.product, row.to, capability, platform).verdict, "impossible", `${row.to} ${capability}`);
    }
  }
});

Deno.test("support: targets of TensorRT-RTX", () => {
  assert.deepEqual(targetsFor("1.3.0"), [75, 80, 86, 89, 120]);
  assert.deepEqual(targetsFor("1.4.0.76"), [75, 80, 86, 89, 120]);
  assert.deepEqual(targetsFor("1.5.0"), [75, 80, 86, 89, 120, 121]);
  assert.deepEqual(targetsFor("1.7.1.116"), [75, 80, 86, 89, 120, 121]);
  assert.deepEqual(targetsFor("1.9"), RTX_TARGETS.at(-1)!.targets);
  assert.deepEqual(targetsFor("1.2"), []);
  assert.deepEqual(targetsFor("2.0"), []);
  assert.deepEqual(targetsFor("none"), []);
});

const L4T: readonly (readonly [string, string | null])[] = [
  ["32.6.1", "4.6"],
  ["32.7.4", "4.6.1 to 4.6.x"],
  ["35.1.0", "5.0.2"],
  ["35.4.1", "5.1.x"],
  ["36.3.0", "6.0"],
  ["36.4.3", "6.1 and 6.2"],
  ["36.5.0", "6.1 and 6.2"],
  ["38.2.0", "7.0 and 7.1"],
  ["39.2.0", "7.2 and 7.2.1"],
  ["39.2.2", "7.2.2 and later"],
  ["40.1", null],
  ["", null],
];

for (const [l4t, jetpack] of L4T) {
  Deno.test(`support: Jetson Linux ${JSON.stringify(l4t)} is JetPack ${jetpack}`, () => {
    assert.equal(jetPackOf(l4t)?.jetpack ?? null, jetpack);
  });
}

Deno.test("support: what a JetPack that trtd drives ships runs on its boards", () => {
  for (const row of JETPACKS) {
    if (familyOf({ product: "tensorrt", version: versionFromText(row.tensorrt)! }).family === null) continue;
    for (const capability of row.capabilities) {
      const verdict = ask("tensorrt", row.tensorrt, capability, "jetpack", { cuda: row.cuda });
      assert.notEqual(verdict.verdict, "impossible", `${row.jetpack} ${capability}: ${verdict.reason}`);
    }
  }
});

Deno.test("support: every question gets an answer that holds together, nonsense too", () => {
  const number = fc.oneof(
    fc.string(),
    fc.tuple(fc.nat(15), fc.nat(20), fc.nat(5)).map((parts) => parts.join(".")),
    fc.tuple(fc.nat(15), fc.nat(9)).map((parts) => parts.join(".")),
  );
  const question = fc.record({
    tensorrt: fc.record({ product: fc.constantFrom("tensorrt" as const, "tensorrt-rtx" as const), version: number }),
    gpu: fc.record({ name: fc.string(), computeCapability: number }),
    platform: fc.constantFrom(...Object.keys(PLATFORMS) as Platform[]),
    cuda: fc.option(number),
    driver: fc.option(number),
    driverCuda: fc.option(number),
    precision: fc.constantFrom("f32", "tf32", "fp16", "bf16", "int8", "fp8", "fp4" as const),
    dla: fc.boolean(),
  });
  fc.assert(
    fc.property(question, (asked) => {
      const verdict = supportVerdict(asked);
      const refused = verdict.verdict === "impossible";
      assert.equal(verdict.code !== null, refused);
      assert.equal(verdict.reason !== null, refused);
      assert.equal(verdict.remedy !== null, refused);
      if (refused) {
        assert.ok(Object.hasOwn(ERRORS, verdict.code!));
        assert.match(verdict.remedy!, /^[A-Z]/);
        assert.doesNotMatch(verdict.remedy!, /\.$|undefined|null|NaN/);
      } else assert.equal(verdict.verdict === "fine", verdict.remarks.length === 0);
    }),
    { numRuns: 3000 },
  );
});
