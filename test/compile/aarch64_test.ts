import assert from "node:assert/strict";
import { join } from "node:path";
import { buildShim } from "../../scripts/build_shim.ts";
import { shimFor } from "../../scripts/compile_shim.ts";
import { PROBE_MARK, type ProbeRequest } from "../../src/tensorrt/probe/probe_messages.ts";
import { fakeSetIn } from "../native/children.ts";
import { Box, type BoxOptions, boxTest, CANNOT_MOUNT } from "./box.ts";
import { CANNOT_COMPILE, compiledFile, ROOT } from "./compiled_file.ts";
import { putFakes } from "./fakes.ts";

/** ELF's e_machine of AArch64 (elf.h, EM_AARCH64). */
const EM_AARCH64 = 183;

const EMULATOR = ["/usr/bin/qemu-aarch64-static", "/usr/bin/qemu-aarch64"].find(isFile);
/** Where Debian's cross packages put the C and C++ libraries. */
const LIBRARIES = "/usr/aarch64-linux-gnu";
const CANNOT_EMULATE =
  Deno.build.arch === "x86_64" && EMULATOR !== undefined && isFile(`${LIBRARIES}/lib/libstdc++.so.6`)
    ? ""
    : " (skipped: needs the Debian packages qemu-user-static and libstdc++6-arm64-cross)";

/** A CPU without the extensions that are slow to emulate. */
const LAUNCHER = [EMULATOR ?? "", "-cpu", "neoverse-n1", "-L", LIBRARIES];

/**
 * ONNX Runtime reads the processor's description from the kernel, which is the host's; without one of an ARM processor
 * it crashes under user-mode emulation.
 */
const CPUINFO = Array.from({ length: navigator.hardwareConcurrency }, (_, i) =>
  [
    `processor\t: ${i}`,
    "BogoMIPS\t: 50.00",
    "Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp",
    "CPU implementer\t: 0x41",
    "CPU architecture: 8",
    "CPU variant\t: 0x3",
    "CPU part\t: 0xd0c",
    "CPU revision\t: 1",
    "",
    "",
  ].join("\n")).join("");

function emulated(options: BoxOptions = {}): BoxOptions {
  return { launcher: LAUNCHER, timeoutMs: 600_000, ...options };
}

boxTest("the file is a 64-bit ARM program of at most 160 MB", async (box) => {
  using file = await Deno.open(box.file);
  const head = new Uint8Array(20);
  await file.read(head);
  assert.deepEqual([...head.subarray(0, 6)], [0x7f, 0x45, 0x4c, 0x46, 2, 1]);
  assert.equal(head[18]! | head[19]! << 8, EM_AARCH64);
  assert.ok((await file.stat()).size <= 160e6);
}, { arch: "aarch64" });

boxTest("--version and inspect answer under emulation", async (box) => {
  const version = await box.run(["--version"], emulated());
  assert.equal(version.code, 0, version.stderr);
  assert.equal(version.stdout.trim(), JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json"))).version);
  const folder = join(ROOT, "models", "codes");
  const { file } = JSON.parse(Deno.readTextFileSync(join(folder, "manifest.json")));
  Deno.copyFileSync(join(folder, file), join(box.folder, "model.onnx"));
  const inspected = await box.run(["inspect", "model.onnx", "--json"], emulated());
  assert.equal(inspected.code, 0, inspected.stderr);
  assert.ok(JSON.parse(inspected.stdout));
}, { arch: "aarch64", skipped: CANNOT_EMULATE });

boxTest("detect finds under emulation what this machine's file finds", async (box) => {
  const cpuinfo = join(box.folder, "cpuinfo");
  Deno.writeTextFileSync(cpuinfo, CPUINFO);
  const before = `mount --bind '${cpuinfo}' /proc/cpuinfo`;
  const arm = await box.run(["detect", "--json"], emulated({ before }));
  assert.equal(arm.code, 0, arm.stderr);
  using hostBox = new Box(await compiledFile(Deno.build.arch));
  const host = await hostBox.run(["detect", "--json"]);
  assert.equal(host.code, 0, host.stderr);
  assertSameBoxes(JSON.parse(arm.stdout)[0].detections, JSON.parse(host.stdout)[0].detections);
}, { arch: "aarch64", skipped: CANNOT_EMULATE || CANNOT_MOUNT });

const CANNOT_CROSS_COMPILE = CANNOT_EMULATE ||
  (crossCompiles() ? "" : " (skipped: needs the Debian package g++-aarch64-linux-gnu)");
/** Why the file holds no libtrtd, empty when it does. */
const CANNOT_CARRY = CANNOT_COMPILE || CANNOT_CROSS_COMPILE ? "" : await shimFor("aarch64")
  .then(({ path, note }) => path === null ? ` (skipped: ${note})` : "");

/** A compiled file cannot start itself where the kernel knows no emulator, so the probe child is started here. */
boxTest("a probe child unpacks libtrtd under emulation and asks a GPU and TensorRT through it", async (box) => {
  const built = await buildShim({ fakes: true, aarch64: true });
  assert.ok(built.status !== "missing" && built.fakes !== null);
  const env = putFakes(box, fakeSetIn(built.fakes, "10.16"));
  const ask = async (request: ProbeRequest) => {
    const { code, stdout, stderr } = await box.run(["probe", JSON.stringify(request)], emulated({ env }));
    assert.equal(code, 0, stderr);
    const lines = stdout.split("\n").filter((line) => line.startsWith(PROBE_MARK));
    return lines.map((line) => JSON.parse(line.slice(PROBE_MARK.length)))
      .flatMap((line) => "fact" in line ? [[line.fact, line.value]] : []);
  };
  const cuda = Object.fromEntries(await ask({ subject: "cuda", runtime: [] }));
  assert.ok(cuda.shim.path.startsWith(join(box.cache, "native")), cuda.shim.path);
  assert.deepEqual([cuda.driver.cuda_version, cuda.device.name], ["13.0", "NVIDIA Fake 4090"]);
  const part = (name: string) => join(box.folder, "trt", name);
  const tensorrt = Object.fromEntries(
    await ask({
      subject: "tensorrt",
      core: part("libnvinfer.so.10"),
      parser: part("libnvonnxparser.so.10"),
      plugins: part("libnvinfer_plugin.so.10"),
      force: false,
      selfCheck: true,
    }),
  );
  assert.deepEqual([tensorrt.shim.path, tensorrt.library.version], [cuda.shim.path, "10.16.1.7"]);
  assert.ok(tensorrt["self-check"].checks > 10);
}, { arch: "aarch64", skipped: CANNOT_CROSS_COMPILE || CANNOT_CARRY });

function crossCompiles(): boolean {
  try {
    return new Deno.Command("aarch64-linux-gnu-g++", { args: ["--version"], stdout: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

interface Detection {
  readonly label: string;
  readonly score: number;
  readonly box: Readonly<Record<"x1" | "y1" | "x2" | "y2", number>>;
}

/** Kernels differ between processors: boxes may by half a pixel, scores by a hundredth. */
function assertSameBoxes(actual: readonly Detection[], expected: readonly Detection[]): void {
  assert.ok(expected.length > 0);
  const byPlace = (a: Detection, b: Detection) => a.box.x1 - b.box.x1 || a.box.y1 - b.box.y1;
  const [left, right] = [[...actual].sort(byPlace), [...expected].sort(byPlace)];
  assert.deepEqual(left.map(({ label }) => label), right.map(({ label }) => label));
  for (const [i, { score, box }] of left.entries()) {
    assert.ok(Math.abs(score - right[i]!.score) <= 0.01, `score ${score} is not ${right[i]!.score}`);
    for (const side of ["x1", "y1", "x2", "y2"] as const) {
      assert.ok(Math.abs(box[side] - right[i]!.box[side]) <= 0.5, `${side} ${box[side]} is not ${right[i]!.box[side]}`);
    }
  }
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
