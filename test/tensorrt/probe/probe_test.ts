import assert from "node:assert/strict";
import { join } from "node:path";
import type { SearchSystem } from "../../../src/tensorrt/discovery/discovery_folders.ts";
import { discoverTensorRt, type FoundTensorRt } from "../../../src/tensorrt/discovery/discovery.ts";
import {
  probeAddon,
  probeAllTensorRt,
  probeCuda,
  type ProbeOptions,
  probeTensorRt,
  type TensorRtProbeOptions,
} from "../../../src/tensorrt/probe/probe.ts";
import { findingsOf } from "../../../src/tensorrt/probe/probe_findings.ts";
import { probeCommand } from "../../../src/tensorrt/probe/probe_command.ts";
import { runProbe } from "../../../src/tensorrt/probe/probe_run.ts";
import { fakeSet, GPUS, nativeTest, shimAndFakes } from "../../native/children.ts";
import { WHEELS } from "../../native/fetch_libraries.ts";
import { toolsFolder } from "../../../scripts/build_shim.ts";

/** A machine without anything to find. */
const NOTHING: SearchSystem = {
  environment: {},
  architecture: Deno.build.arch,
  loaderCache: "/nowhere/ld.so.cache",
  usualFolders: [],
  packageStatus: "/nowhere/status",
};

/** Children that see the fake driver, and its devices unless `env` says otherwise. */
function withFakes(env: Record<string, string> = {}): ProbeOptions {
  const fakes = { LD_LIBRARY_PATH: join(shimAndFakes().fakes, "cuda"), TRTD_FAKE_GPUS: GPUS, TRTD_FAKE: "" };
  return { command: (request) => ({ ...probeCommand(request), env: { ...fakes, ...env } }) };
}

function fakeFound(name: string): FoundTensorRt {
  const { libraries } = discoverTensorRt(fakeSet(name).core, NOTHING);
  return libraries[0]!;
}

async function probeFake(name: string, env: Record<string, string> = {}, rest: Partial<TensorRtProbeOptions> = {}) {
  return await probeTensorRt(fakeFound(name), { ...withFakes(env), ...rest });
}

nativeTest("probe: the driver and each device tell their facts", async () => {
  const { driver, gpus, findings, shim } = await probeCuda(withFakes(), NOTHING);
  assert.equal(driver?.cuda_version, "13.0");
  assert.equal(shim, shimAndFakes().shim);
  assert.deepEqual(findings, []);
  assert.deepEqual(gpus.map(({ name, compute_capability, memory_free }) => [name, compute_capability, memory_free]), [
    ["NVIDIA Fake 4090", "8.9", 24564 * 1024 * 1024 / 2],
    ["NVIDIA Fake 5090", "12.0", 32768 * 1024 * 1024 / 2],
  ]);
  assert.match(gpus[0]!.uuid, /^GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
});

nativeTest("probe: a driver that does not start is explained by its code", async () => {
  const cases: [code: number, detail: RegExp, remedy: RegExp][] = [
    [100, /\(100\)|CUDA_ERROR_NO_DEVICE/, /\S/],
    [803, /different versions/, /Reboot/],
    [804, /compatibility package/, /\S/],
    [999, /without saying why/, /\S/],
    [777, /777/, /\S/],
  ];
  for (const [code, detail, remedy] of cases) {
    const { driver, gpus, findings } = await probeCuda(
      withFakes({ TRTD_FAKE: `cuda-init=${code}` }),
      NOTHING,
    );
    assert.deepEqual([driver, gpus.length, findings.length], [null, 0, 1], String(code));
    assert.deepEqual([findings[0]!.step, findings[0]!.code, findings[0]!.native_code], [
      "driver",
      "GPU_UNAVAILABLE",
      code,
    ]);
    assert.match(findings[0]!.detail, detail);
    assert.match(findings[0]!.remedy, remedy);
  }
});

nativeTest("probe: without libtrtd there is a finding that says how to build it", async () => {
  const options: ProbeOptions = {
    command: (request) => ({
      ...probeCommand(request),
      args: withoutShim(request),
      env: { TRTD_SHIM: "/nowhere/libtrtd.so" },
    }),
  };
  const { shim, driver, findings } = await probeCuda(options, NOTHING);
  assert.deepEqual([shim, driver], [null, null]);
  assert.deepEqual(findings.map(({ step, code }) => [step, code]), [["shim", "NATIVE_LOAD_FAILED"]]);
  assert.match(findings[0]!.detail, /"\/nowhere\/libtrtd\.so"/);
  assert.match(findings[0]!.remedy, /scripts\/build_shim\.ts.*CPU path works without it/);
});

Deno.test("probe: a compiled file that finds TRTD_SHIM wrong does not send its user to a compiler", () => {
  const failure = {
    step: "shim",
    status: "SHIM",
    code: 0,
    message: "It cannot be used",
    remedy: "Unset TRTD_SHIM",
  } as const;
  const [finding] = findingsOf({ failures: [failure], end: { kind: "done" }, said: "" });
  assert.deepEqual([finding?.code, finding?.remedy], ["NATIVE_LOAD_FAILED", "Unset TRTD_SHIM"]);
});

function withoutShim(request: { subject: "cuda" | "tensorrt" | "onnxruntime" | "sharp" }): string[] {
  return probeCommand(request).args.map((one) =>
    one.startsWith("--allow-ffi") ? "--allow-ffi=/nowhere/libtrtd.so" : one
  );
}

nativeTest("probe: a child under deno run may open libtrtd and nothing else", async () => {
  const { args } = probeCommand({ subject: "tensorrt" });
  const allowed = args.filter((argument) => argument.startsWith("--allow"));
  assert.deepEqual(allowed, [`--allow-ffi=${shimAndFakes().shim}`, "--allow-env=TRTD_SHIM"]);
  const { library, plugins, parser, findings } = await probeFake("10.16");
  assert.deepEqual([library?.version, library?.evidence, library?.kind], ["10.16.1.7", "headers", "full"]);
  assert.equal(plugins?.efficient_nms, true);
  assert.equal(parser, fakeSet("10.16").parser);
  assert.deepEqual(findings, []);
});

nativeTest("probe: every family of TensorRT tells its version", async () => {
  const expected: Record<string, [product: string, version: string]> = {
    "8.5": ["tensorrt", "8.5.3"],
    "8.6": ["tensorrt", "8.6.1"],
    "9.3": ["tensorrt", "9.3.0"],
    "11.1": ["tensorrt", "11.1.0.7"],
    "rtx-1.4": ["tensorrt-rtx", "1.4.0.7"],
    "rtx-1.6": ["tensorrt-rtx", "1.6.1.7"],
  };
  for (const [name, [product, version]] of Object.entries(expected)) {
    const { library, findings, self_check: selfCheck } = await probeFake(name);
    assert.deepEqual([library?.product, library?.version, selfCheck], [product, version, null], name);
    assert.deepEqual(findings, [], name);
  }
});

nativeTest("probe: a version beyond the tables is refused, and checked by itself when forced", async () => {
  const refused = await probeFake("12.0");
  assert.equal(refused.library, null);
  assert.deepEqual(refused.findings.map(({ step, code }) => [step, code]), [["library", "TENSORRT_UNSUPPORTED"]]);
  assert.match(refused.findings[0]!.detail, /12\.0\.0.*knows TensorRT 8\.5 to 11/);
  const forced = await probeFake("12.0", {}, { force: true });
  assert.deepEqual([forced.library?.forced, forced.library?.evidence], [true, "none"]);
  assert.ok(forced.self_check !== null && forced.self_check.checks > 10);
});

nativeTest("probe: a library whose slots are not those of its version is ABI_MISMATCH with both versions", async () => {
  const { findings, self_check: selfCheck } = await probeFake("liar", {}, { selfCheck: true });
  assert.equal(selfCheck, null);
  assert.deepEqual(findings.map(({ step, code }) => [step, code]), [["self-check", "ABI_MISMATCH"]]);
  assert.match(findings[0]!.detail, /where .* was expected: TensorRT 11\.1\.0 .* family 11/);
});

nativeTest("probe: a runtime pointer into the first page is a finding, not a crash", async () => {
  const { library, findings } = await probeFake("10.16", { TRTD_FAKE: "runtime=near-null" }, { selfCheck: true });
  assert.equal(library?.version, "10.16.1.7");
  assert.deepEqual(findings.map(({ step }) => step), ["self-check"]);
  assert.match(findings[0]!.detail, /pointer into the first page.*CUDA initialization failure with error: 35/);
  assert.match(findings[0]!.remedy, /driver/i);
});

nativeTest("probe: plugins that do not register are a finding, and the rest is still told", async () => {
  const { plugins, library, parser, findings } = await probeFake("10.16", { TRTD_FAKE: "plugins=false" });
  assert.deepEqual([plugins, library?.version, parser !== null], [null, "10.16.1.7", true]);
  assert.equal(findings[0]?.step, "plugins");
});

nativeTest("probe: a parser of another major is a mismatch", async () => {
  const found = { ...fakeFound("10.16"), parser: fakeSet("8.6").parser };
  const { parser, findings } = await probeTensorRt(found, withFakes());
  assert.equal(parser, null);
  assert.deepEqual(findings.map(({ step, code }) => [step, code]), [["parser", "ABI_MISMATCH"]]);
});

/** Compiles a library whose constructor does `body`. */
async function libraryThat(body: string, folder: string): Promise<FoundTensorRt> {
  const source = join(folder, "bad.cpp");
  const path = join(folder, "libnvinfer.so.10");
  await Deno.writeTextFile(
    source,
    `#include <csignal>\n#include <cstdio>\n#include <cstdlib>\n#include <unistd.h>\n` +
      `extern "C" int getInferLibVersion() { return 101601; }\n` +
      `extern "C" void* createInferRuntime_INTERNAL(void*, int) { return nullptr; }\n` +
      `__attribute__((constructor)) static void begin() { ${body} }\n`,
  );
  const { success, stderr } = await new Deno.Command(Deno.env.get("CXX") ?? "c++", {
    args: ["-shared", "-fPIC", "-o", path, source],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return discoverTensorRt(path, NOTHING).libraries[0]!;
}

nativeTest("probe: a library that ends its process in any way is a finding", async () => {
  const cases: [body: string, detail: RegExp][] = [
    [
      "*static_cast<volatile int*>(nullptr) = 1;",
      /^The probe process crashed with SIGSEGV while the library was loaded$/,
    ],
    [
      'fprintf(stderr, "assertion x failed\\n"); abort();',
      /SIGABRT while the library was loaded; it said last: assertion x failed$/,
    ],
    ["_exit(7);", /^The probe process ended with status 7 while the library was loaded$/],
    ["_exit(0);", /^The probe process ended with status 0 while the library was loaded$/],
    ["for (;;) usleep(100000);", /^The probe process hung and was ended after 1 s while the library was loaded$/],
    [
      'for (;;) fputs("flood", stdout);',
      /^The probe process hung and was ended after 1 s while the library was loaded$/,
    ],
  ];
  for (const [body, detail] of cases) {
    const folder = await Deno.makeTempDir({ prefix: "trtd-probe-" });
    try {
      const found = await libraryThat(body, folder);
      const { library, findings } = await probeTensorRt(found, { ...withFakes(), timeoutMs: 1000 });
      assert.deepEqual([library, findings.length], [null, 1], body);
      assert.equal(findings[0]!.code, "NATIVE_LOAD_FAILED");
      assert.match(findings[0]!.detail, detail);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }
});

nativeTest("probe: what a library prints does not spoil the answer", async () => {
  const folder = await Deno.makeTempDir({ prefix: "trtd-probe-" });
  try {
    const noise = '@trtd-probe {\\"begin\\":';
    const found = await libraryThat(`printf("${noise}"); fflush(stdout);`, folder);
    const { library, findings } = await probeTensorRt(found, withFakes());
    assert.deepEqual([library?.version, library?.kind, findings.length], ["10.16.1", "lean", 0]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

nativeTest("probe: a dependency that is missing is told in the loader's words", async () => {
  const folder = await Deno.makeTempDir({ prefix: "trtd-probe-" });
  try {
    await libraryThat("", folder);
    const core = join(folder, "libnvinfer.so.8");
    const { success } = await new Deno.Command(Deno.env.get("CXX") ?? "c++", {
      args: ["-shared", "-o", core, "-Wl,--no-as-needed", join(folder, "libnvinfer.so.10")],
    }).output();
    assert.ok(success);
    await Deno.remove(join(folder, "libnvinfer.so.10"));
    const found = discoverTensorRt(core, NOTHING).libraries[0]!;
    const { findings } = await probeTensorRt(found, withFakes());
    assert.equal(findings[0]?.code, "NATIVE_LOAD_FAILED");
    assert.match(findings[0]!.detail, /cannot open shared object file/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

nativeTest("probe: the process that asks loads no library of NVIDIA and not libtrtd", async () => {
  const { probes } = await probeAllTensorRt(fakeSet("10.16").core, withFakes(), NOTHING);
  assert.equal(probes[0]?.library?.version, "10.16.1.7");
  const maps = await Deno.readTextFile("/proc/self/maps");
  assert.doesNotMatch(maps, /libnvinfer|libcuda\.|libtrtd/);
});

Deno.test("probe: a program that cannot be started is a finding", async () => {
  const command = () => ({ path: "/nowhere/trtd", args: [] });
  const { version, findings } = await probeAddon("sharp", { command });
  assert.equal(version, null);
  assert.match(findings[0]!.detail, /^The probe process cannot be started: /);
});

Deno.test("probe: the libraries of the CPU path tell their versions", async () => {
  for (const name of ["onnxruntime", "sharp"] as const) {
    const { version, findings } = await probeAddon(name, { command: probeCommand });
    assert.deepEqual(findings, [], name);
    assert.match(version!, /^\d+\.\d+\.\d+/, name);
  }
});

Deno.test("probe: a request that is none ends with a status and no answer", async () => {
  const command = probeCommand({ subject: "sharp" });
  const { end, facts } = await runProbe({ subject: "moon" } as never, command, { timeoutMs: 20_000 });
  assert.deepEqual([end.kind, facts], ["failed", {}]);
});

for (const [name, wheel] of Object.entries(WHEELS)) {
  const folder = join(toolsFolder(), `${wheel.project}-${wheel.version}`);
  const there = await Deno.stat(join(folder, wheel.folder, wheel.core)).then(() => true, () => false);
  const title = `probe: the real ${name} is found in its wheel and tells its version`;
  const body = async () => {
    const system = { ...NOTHING, environment: { PYTHONPATH: folder } };
    const { probes } = await probeAllTensorRt(undefined, { command: probeCommand }, system);
    const [probe] = probes;
    assert.equal(probes.length, 1);
    assert.deepEqual([probe!.library?.version, probe!.found.version_by_name], [wheel.version, wheel.version]);
    assert.deepEqual([probe!.found.cuda, probe!.found.via], ["13", "PYTHONPATH"]);
    assert.equal(probe!.library?.kind, name.startsWith("lean") ? "lean" : "full");
    assert.equal(probe!.parser !== null, name.startsWith("rtx"));
  };
  if (there) nativeTest(title, body);
  else Deno.test({ name: `${title} (skipped: it was not fetched)`, ignore: true, fn: body });
}
