import assert from "node:assert/strict";
import { join } from "node:path";
import type { DoctorReport } from "../../src/doctor/report.ts";
import { EXIT } from "../../src/errors.ts";
import { fakeSet, nativeTest, shimAndFakes } from "../native/children.ts";
import { cleanEnvironment } from "../clean_environment.ts";

const MAIN = join(import.meta.dirname!, "..", "..", "src", "main.ts");

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** `trtd doctor` in a folder of its own, on a machine whose driver is the fake one. */
async function doctor(
  args: readonly string[],
  env: Record<string, string> = {},
  permissions: readonly string[] = ["-A"],
): Promise<Ended> {
  const cwd = await Deno.makeTempDir({ prefix: "trtd-doctor-" });
  try {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", ...permissions, MAIN, "doctor", ...args],
      cwd,
      clearEnv: true,
      env: cleanEnvironment({
        TRTD_FAKE_GPUS: "",
        TRTD_FAKE: "",
        INIT_CWD: cwd,
        TRTD_CACHE_DIR: join(cwd, "cache"),
        ...env,
      }),
    }).output();
    const decoder = new TextDecoder();
    return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
}

async function report(args: readonly string[], env: Record<string, string> = {}) {
  const ended = await doctor(["--json", ...args], env);
  assert.equal(ended.err, "");
  return { code: ended.code, report: JSON.parse(ended.out) as DoctorReport };
}

const check = ({ checks }: DoctorReport, id: string) => checks.find((one) => one.id === id)!;

/** The loader's path with the fake driver and these sets of fake libraries. */
const libraryPath = (...sets: string[]) =>
  [join(shimAndFakes().fakes, "cuda"), ...sets.map((name) => join(shimAndFakes().fakes, name))].join(":");

nativeTest("doctor: a machine without a GPU is healthy, and --json keeps to the contract", async () => {
  const { code, report: told } = await report([], { LD_LIBRARY_PATH: libraryPath() });
  assert.deepEqual(Object.keys(told), ["ok", "checks", "gpus", "tensorrt", "cuda", "backends"]);
  for (const one of told.checks) assert.deepEqual(Object.keys(one), ["id", "status", "detail", "remedy"]);
  assert.ok(told.checks.length >= 15);
  assert.deepEqual([code, told.ok, told.gpus], [EXIT.fine, true, []]);
  assert.equal(check(told, "driver").status, "warn");
  assert.equal(check(told, "gpu").status, "warn");
  assert.equal(told.backends.find(({ name }) => name === "onnxruntime")?.usable, true);
});

nativeTest("doctor: the pair of the incident is impossible, with the reason and what to install", async () => {
  const { code, report: told } = await report([], {
    LD_LIBRARY_PATH: libraryPath("8.6"),
    TRTD_FAKE_GPUS: "NVIDIA GeForce RTX 5090:12.0:32768",
  });
  assert.deepEqual([code, told.ok], [EXIT.environment, false]);
  const eight = told.tensorrt.find(({ version }) => version === "8.6.1")!;
  assert.equal(eight.gpus[0]!.verdict, "impossible");
  assert.match(eight.gpus[0]!.reason!, /smVerHex2Dig/);
  const pair = check(told, "tensorrt-gpu");
  assert.deepEqual(pair.status, "fail");
  assert.match(pair.detail, /TensorRT 8\.6\.1 cannot run on "NVIDIA GeForce RTX 5090" \(compute capability 12\.0\)/);
  assert.match(pair.remedy, /TensorRT 10\.8 or later/);
});

nativeTest("doctor: three versions at once, and the choice among them follows the GPU", async () => {
  const sets = { LD_LIBRARY_PATH: libraryPath("8.6", "10.16", "rtx-1.6") };
  for (const [gpus, chosen] of [["Fake:12.0:32768", "10.16.1.7"], ["Fake:6.1:8192", "8.6.1"]] as const) {
    const { code, report: told } = await report([], { ...sets, TRTD_FAKE_GPUS: gpus });
    const found = told.tensorrt.filter(({ via }) => via === "LD_LIBRARY_PATH");
    assert.deepEqual(found.map(({ version }) => version), ["8.6.1", "10.16.1.7", "1.6.1.7"]);
    assert.deepEqual(found.filter((one) => one.chosen).map(({ version }) => version), [chosen], gpus);
    assert.ok(found.every(({ problems }) => problems.length === 0));
    assert.deepEqual([code, told.ok], [EXIT.fine, true], gpus);
  }
});

nativeTest("doctor: a broken library and one of another machine do not hide a good one", async () => {
  const folder = await Deno.makeTempDir({ prefix: "trtd-doctor-broken-" });
  try {
    await Deno.writeTextFile(join(folder, "libnvinfer.so.10"), "a text file");
    const foreign = await Deno.readFile(fakeSet("8.6").core);
    new DataView(foreign.buffer).setUint16(18, Deno.build.arch === "x86_64" ? 183 : 62, true);
    await Deno.writeFile(join(folder, "libnvinfer.so.8"), foreign);
    const { code, report: told } = await report([], {
      LD_LIBRARY_PATH: `${folder}:${libraryPath("11.1")}`,
      TRTD_FAKE_GPUS: "Fake:8.9:24564",
    });
    assert.deepEqual([code, told.ok], [EXIT.fine, true]);
    assert.equal(told.tensorrt.find((one) => one.chosen)?.version, "11.1.0.7");
    const libraries = check(told, "tensorrt-libraries");
    assert.equal(libraries.status, "warn");
    assert.match(libraries.detail, /not a shared library/);
    assert.match(libraries.detail, /is for (aarch64|x86_64), this program is for/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

nativeTest("doctor: --tensorrt is the only place that counts", async () => {
  const env = { LD_LIBRARY_PATH: libraryPath("10.16"), TRTD_FAKE_GPUS: "Fake:8.9:24564" };
  const good = await report(["--tensorrt", join(shimAndFakes().fakes, "8.6")], env);
  assert.equal(good.report.tensorrt.find((one) => one.chosen)?.version, "8.6.1");
  const empty = await report(["--tensorrt", "nothing-here"], env);
  assert.deepEqual([empty.code, empty.report.ok], [EXIT.environment, false]);
  assert.match(check(empty.report, "tensorrt-search").detail, /nothing-here" \(--tensorrt\) holds no TensorRT/);
  assert.equal(empty.report.tensorrt.some((one) => one.chosen), false);
});

nativeTest("doctor: --self-check finds a library that is not what it says", async () => {
  const { code, report: told } = await report(["--self-check", "--tensorrt", join(shimAndFakes().fakes, "liar")], {
    LD_LIBRARY_PATH: libraryPath(),
    TRTD_FAKE_GPUS: "Fake:8.9:24564",
  });
  assert.equal(code, EXIT.environment);
  assert.match(check(told, "tensorrt-verified").detail, /TensorRT 11\.1\.0\.7 failed the self-check/);
  assert.equal(told.tensorrt[0]!.problems[0]!.code, "ABI_MISMATCH");
});

nativeTest("doctor: without libtrtd all else is still checked", async () => {
  const env = { LD_LIBRARY_PATH: libraryPath("10.16"), TRTD_SHIM: "/nowhere/libtrtd.so" };
  const { code, report: told } = await report([], env);
  assert.deepEqual([code, told.ok, told.cuda.shim], [EXIT.fine, true, null]);
  assert.equal(check(told, "shim").status, "warn");
  assert.match(check(told, "shim").remedy, /build_shim\.ts/);
  assert.equal(check(told, "onnxruntime").status, "ok");
  const forced = await report(["--backend", "tensorrt"], env);
  assert.equal(forced.code, EXIT.environment);
});

nativeTest("doctor: the text names each check and ends with a summary", async () => {
  const { code, out, err } = await doctor([], {
    LD_LIBRARY_PATH: libraryPath("10.16"),
    TRTD_FAKE_GPUS: "Fake:8.9:24564",
  });
  assert.deepEqual([code, err], [EXIT.fine, ""]);
  assert.match(out, /^ok {4}driver {2,}The NVIDIA driver/m);
  assert.match(out, /^TensorRT found:\n {2}\* TensorRT 10\.16\.1\.7: used$/m);
  assert.match(
    out,
    /^\d+ checks: \d+ ok, \d+ warnings, 0 failures\. Healthy: models run on tensorrt and onnxruntime\.\n$/m,
  );
});

nativeTest("doctor: --bundle writes a report that tar reads, without secrets", async () => {
  const folder = await Deno.makeTempDir({ prefix: "trtd-bundle-" });
  try {
    const file = join(folder, "report.tar.gz");
    const { code, err } = await doctor(["--bundle", file, "--json"], {
      LD_LIBRARY_PATH: libraryPath("10.16"),
      TRTD_FAKE_GPUS: "Fake:8.9:24564",
      MINIO_ROOT_PASSWORD: "hunter2",
    });
    assert.equal(code, EXIT.fine);
    assert.match(err, /^Wrote ".*report\.tar\.gz" with \d+ files/);
    const { success } = await new Deno.Command("tar", { args: ["-xzf", file], cwd: folder }).output();
    assert.ok(success);
    const told = JSON.parse(await Deno.readTextFile(join(folder, "trtd-report", "doctor.json"))) as DoctorReport;
    assert.equal(told.tensorrt.find((one) => one.chosen)?.version, "10.16.1.7");
    assert.doesNotMatch(await Deno.readTextFile(join(folder, "trtd-report", "settings.json")), /hunter2/);
    const nowhere = await doctor(["--bundle", "/proc/nowhere/x.tar.gz"], { LD_LIBRARY_PATH: libraryPath() });
    assert.match(nowhere.err, /^trtd: OUTPUT_UNWRITABLE: /m);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("doctor: with few permissions it names those that are missing and still tells the rest", async () => {
  const { code, out } = await doctor(["--json"], {}, ["--allow-read", "--allow-env"]);
  const told = JSON.parse(out) as DoctorReport;
  assert.deepEqual([code, told.ok], [EXIT.environment, false]);
  assert.match(check(told, "permissions").detail, /^Missing write .*, run /);
  for (const id of ["onnxruntime", "sharp", "shim"]) {
    assert.match(check(told, id).detail, /probe process cannot be started/, id);
    assert.match(check(told, id).remedy, /--allow-run/, id);
  }
  assert.equal(check(told, "platform").status, "ok");
});
