import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { type ShimBuilds, shimFor } from "../../scripts/compile_shim.ts";
import type { DoctorReport } from "../../src/doctor/report.ts";
import { toolsFolder } from "../../scripts/build_shim.ts";
import { fakeSet, shimAndFakes } from "../native/children.ts";
import { WHEELS } from "../native/fetch_libraries.ts";
import { type Box, type BoxOptions, boxTest, CANNOT_MOUNT } from "./box.ts";
import { CANNOT_FAKE, putFakes } from "./fakes.ts";

interface Told {
  readonly code: number;
  readonly report: DoctorReport;
}

async function doctor(box: Box, options: BoxOptions): Promise<Told> {
  const { code, stdout, stderr } = await box.run(["doctor", "--json", "--tensorrt", "trt"], options);
  assert.equal(stderr, "");
  return { code, report: JSON.parse(stdout) };
}

const check = ({ checks }: DoctorReport, id: string) => checks.find((one) => one.id === id)!;

/** Path of the unpacked libtrtd, null when it is not there. */
function unpackedShim(cache: string): string | null {
  for (const digest of Deno.readDirSync(join(cache, "native"))) {
    const path = join(cache, "native", digest.name, "libtrtd", "libtrtd.so");
    if (existsSync(path)) return path;
  }
  return null;
}

function existsSync(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

boxTest("doctor unpacks libtrtd and asks a GPU and TensorRT through it", async (box) => {
  const { code, report } = await doctor(box, { env: putFakes(box, fakeSet("10.16")) });
  assert.deepEqual([code, report.ok], [0, true]);
  const path = unpackedShim(box.cache);
  assert.deepEqual([check(report, "shim").status, report.cuda.shim], ["ok", path]);
  assert.equal(Deno.statSync(path!).mode! & 0o777, 0o600);
  assert.deepEqual(report.gpus.map(({ name }) => name), ["NVIDIA Fake 4090"]);
  assert.deepEqual(
    report.tensorrt.map(({ version, problems, chosen }) => [version, problems, chosen]),
    [["10.16.1.7", [], true]],
  );
  assert.deepEqual([...Deno.readDirSync(box.temp)], []);
}, { skipped: CANNOT_FAKE });

boxTest("the next doctor finds libtrtd unpacked, and unpacks a damaged one again", async (box) => {
  const env = putFakes(box, fakeSet("8.6"));
  await doctor(box, { env });
  const path = unpackedShim(box.cache)!;
  const { ino, size } = Deno.statSync(path);
  await doctor(box, { env });
  assert.equal(Deno.statSync(path).ino, ino);
  Deno.truncateSync(path, 4096);
  const { report } = await doctor(box, { env });
  assert.equal(check(report, "shim").status, "ok");
  assert.equal(Deno.statSync(path).size, size);
}, { skipped: CANNOT_FAKE });

boxTest("TRTD_SHIM goes before the libtrtd in the file", async (box) => {
  const shim = join(box.folder, "mine.so");
  Deno.copyFileSync(shimAndFakes().shim, shim);
  const env = { ...putFakes(box, fakeSet("10.16")), TRTD_SHIM: shim };
  const { report } = await doctor(box, { env });
  assert.equal(report.cuda.shim, shim);
  assert.equal(unpackedShim(box.cache), null);
}, { skipped: CANNOT_FAKE });

boxTest("a TRTD_SHIM that is wrong is named, and nobody is sent to a compiler", async (box) => {
  const { report } = await doctor(box, {
    env: { ...putFakes(box, fakeSet("10.16")), TRTD_SHIM: "/nowhere/libtrtd.so" },
  });
  const { status, detail, remedy } = check(report, "shim");
  assert.notEqual(status, "ok");
  assert.match(detail, /"\/nowhere\/libtrtd\.so"/);
  assert.doesNotMatch(JSON.stringify([remedy, report.tensorrt, report.cuda]), /build_shim/);
}, { skipped: CANNOT_FAKE });

/** How a cache folder can be unusable: options of its mount, and what is said about it. */
const UNUSABLE: readonly (readonly [options: string, says: RegExp])[] = [
  ["size=256k", /" is full: no space is left/],
  ["noexec", /is on a file system mounted noexec, so ".*libtrtd\.so" cannot be loaded/],
  ["ro", /" is on a read-only file system/],
];

for (const [options, says] of UNUSABLE) {
  boxTest(`libtrtd in a cache folder mounted ${options}: the error names it`, async (box) => {
    const cache = join(box.folder, "cache");
    Deno.mkdirSync(cache);
    const env = { ...putFakes(box, fakeSet("10.16")), TRTD_CACHE_DIR: cache };
    const mounts = [{ path: cache, options }];
    const { code, report } = await doctor(box, { env, mounts });
    assert.deepEqual([code, report.ok, report.cuda.shim], [3, false, null]);
    assert.match(check(report, "shim").detail, says);
    assert.match(check(report, "shim").remedy, /TRTD_CACHE_DIR/);
    const build = await box.run(["build-engine", "codes", "--tensorrt", "trt", "--json"], { env, mounts });
    const { error } = JSON.parse(build.stdout);
    assert.deepEqual([build.code, error.code], [3, "CACHE_FOLDER_UNUSABLE"]);
    assert.match(error.detail, says);
    assert.match(error.remedy, /TRTD_CACHE_DIR/);
  }, { skipped: CANNOT_FAKE || CANNOT_MOUNT });
}

const RTX = WHEELS["rtx-1.7.1"];
const REAL = join(toolsFolder(), `${RTX.project}-${RTX.version}`, RTX.folder);
const NOT_FETCHED = existsSync(join(REAL, RTX.core)) && Deno.build.arch === "x86_64"
  ? ""
  : " (skipped: the real library was not fetched with test/native/fetch_libraries.ts)";

boxTest("build-engine builds the default model with the real TensorRT-RTX for a GPU that is not here", async (box) => {
  const args = ["build-engine", "codes", "--tensorrt", REAL, "--targets", "86", "--batch", "1", "--json"];
  const { code, stdout, stderr } = await box.run(args);
  assert.equal(code, 0, stderr);
  const { engine, tensorrt, targets, report } = JSON.parse(stdout);
  assert.deepEqual([tensorrt, targets], [{ product: "tensorrt-rtx", version: RTX.version }, [86]]);
  assert.equal(report.outcome, "built");
  assert.equal(Deno.statSync(engine).size, report.bytes);
  const inspected = await box.run(["inspect", engine, "--json"]);
  const { kind, product, version } = JSON.parse(inspected.stdout);
  assert.deepEqual([kind, product, version], ["engine", "tensorrt-rtx", RTX.version]);
  assert.equal(dirname(engine), join(box.folder, "models/trt/codes/f32/bs1"));
}, { skipped: NOT_FETCHED });

const missing = (reason: string) => Promise.resolve({ status: "missing", reason } as const);
const FOREIGN = Deno.build.arch === "x86_64" ? "aarch64" : "x86_64";

const BUILDS: Readonly<Record<"release" | "development" | "none", ShimBuilds>> = {
  release: { release: (arch) => Promise.resolve(`/r/${arch}.so`), development: () => assert.fail("Not needed") },
  development: {
    release: () => missing("no ziglang"),
    development: () => Promise.resolve({ status: "built", library: "/d/own.so", fakes: null }),
  },
  none: { release: () => missing("no ziglang"), development: () => missing("no compiler") },
};

Deno.test("compile shim: the release build is taken for every target", async () => {
  for (const arch of ["x86_64", "aarch64"] as const) {
    assert.equal((await shimFor(arch, BUILDS.release)).path, `/r/${arch}.so`);
  }
});

Deno.test("compile shim: without ziglang the build for this machine stands in on its own architecture", async () => {
  const own = await shimFor(Deno.build.arch, BUILDS.development);
  assert.equal(own.path, "/d/own.so");
  assert.match(own.note, /may need its glibc.*no ziglang/);
  const foreign = await shimFor(FOREIGN, BUILDS.development);
  assert.equal(foreign.path, null);
  assert.match(foreign.note, /^without libtrtd: .*doctor.*build-engine.*no ziglang$/);
});

Deno.test("compile shim: without any compiler the note says what will be missing", async () => {
  const { path, note } = await shimFor(Deno.build.arch, BUILDS.none);
  assert.equal(path, null);
  assert.match(note, /^without libtrtd: .*doctor.*build-engine.*no compiler$/);
});
