import assert from "node:assert/strict";
import { join } from "node:path";
import { Evidence, Family } from "../../ffi/enums.ts";
import { FAILURES, ONE_GPU } from "./failure_cases.ts";
import { fakeSet, nativeTest, runChild, scenario, shimAndFakes } from "./children.ts";
import type { Cancelled, Devices, Failing, Flooded, TwoCores } from "./failure_scenarios.ts";
import type { Fuzzed } from "./fuzz_scenario.ts";
import type { Failure } from "./scenario_steps.ts";

for (const row of FAILURES) {
  nativeTest(`shim: ${row.title}`, async () => {
    const { set, step, fake, model } = row;
    const env = { TRTD_FAKE_GPUS: row.gpus ?? ONE_GPU };
    const argument = { set: fakeSet(set), step, fake, ...(model === undefined ? {} : { model }) };
    const { failure } = await scenario<Failing>("failing", argument, { env });
    assert.ok(failure !== null && failure !== undefined, "nothing failed");
    assert.deepEqual(
      [failure.status, failure.origin, failure.code],
      [row.status, row.origin, row.code],
      failure.message,
    );
    assert.match(failure.message, row.message);
  });
}

nativeTest("shim: errors that TensorRT logs on the way to a plan do not spoil the plan", async () => {
  const argument = { set: fakeSet("10.16"), step: "build", fake: "build=error-logged" };
  assert.equal((await scenario<Failing>("failing", argument)).failure, null);
});

nativeTest("shim: a plan of another version or product is refused with the logged reason", async () => {
  const { shim } = shimAndFakes();
  const code = `
    import { TensorRtLibrary } from ${JSON.stringify(new URL("../../ffi/library.ts", import.meta.url).href)};
    const runtime = await (await TensorRtLibrary.open(${JSON.stringify(fakeSet("rtx-1.6").core)})).createRuntime();
    const plan = new Uint8Array(40);
    plan.set([118, 116, 114, 116]);
    plan[16] = 40;
    const say = (bytes) => runtime.load(bytes).then(() => "loaded", (error) => error.statusName + ": " + error.message);
    console.log(JSON.stringify([await say(plan), await say(plan.subarray(0, 39).slice()), await say(new Uint8Array(40))]));
    Deno.exit(0);`;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", code],
    env: { TRTD_SHIM: shim },
  }).output();
  const answers = JSON.parse(new TextDecoder().decode(stdout) || `["${new TextDecoder().decode(stderr)}"]`);
  assert.match(
    answers[0],
    /^PLAN_REFUSED: TensorRT-RTX 1\.6\.1 refused the plan: .*created with TensorRT-RTX version 0\.0\.0\.0/,
  );
  assert.match(answers[1], /^PLAN_REFUSED: .*plan\.header\.size == blobSize failed/);
  assert.match(answers[2], /^PLAN_REFUSED: .*magicTag == kEXPECTED_MAGIC_TAG/);
});

const open = (argument: Record<string, unknown>) =>
  scenario<Failure & { family: Family; forced: number; evidence: number }>("opening", argument);

nativeTest("shim: a version newer than the table is refused with the versions known", async () => {
  const path = fakeSet("12.0").core;
  const refused = await open({ path });
  assert.equal(refused.status, "VERSION_UNKNOWN");
  assert.match(
    refused.message,
    /is TensorRT 12\.0\.0 \(it reports 120000\); this trtd knows TensorRT 8\.5 to 11\.x and TensorRT-RTX 1\.3 to 1\.7$/,
  );
  const forced = await open({ path, force: true });
  assert.deepEqual([forced.family, forced.forced, forced.evidence], [Family.V11, 1, Evidence.NONE]);
});

nativeTest("shim: a library that is not there, is no library, or is another library is told apart", async () => {
  const { shim } = shimAndFakes();
  const absent = await open({ path: "/nonexistent/libnvinfer.so.10" });
  assert.equal(absent.status, "LIBRARY_NOT_LOADED");
  assert.match(absent.message, /"\/nonexistent\/libnvinfer\.so\.10" cannot be loaded: .*No such file or directory/);
  const text = await open({ path: import.meta.filename! });
  assert.equal(text.status, "LIBRARY_NOT_LOADED");
  assert.match(text.message, /(invalid ELF header|file too short)/);
  const other = await open({ path: shim });
  assert.equal(other.status, "SYMBOL_MISSING");
  assert.match(other.message, /has no getInferLibVersion: it is no TensorRT core library$/);
});

nativeTest("shim: parser and plugins of another major or product are refused", async () => {
  const ten = fakeSet("10.16");
  const cases: [Record<string, unknown>, string, RegExp][] = [
    [
      { path: ten.core, parser: fakeSet("11.1").parser },
      "LIBRARY_MISMATCH",
      /libnvonnxparser\.so\.11\) does not belong to TensorRT 10\.16\.1/,
    ],
    [{ path: ten.core, parser: fakeSet("rtx-1.6").parser }, "LIBRARY_MISMATCH", /does not belong/],
    [
      { path: ten.core, plugins: fakeSet("8.6").plugins },
      "LIBRARY_MISMATCH",
      /libnvinfer_plugin\.so\.8\) does not belong/,
    ],
    [{ path: ten.core, parser: ten.plugins }, "SYMBOL_MISSING", /it is no ONNX parser library$/],
    [{ path: ten.core, plugins: ten.parser }, "SYMBOL_MISSING", /it is no plugin library$/],
    [
      { path: fakeSet("rtx-1.6").core, plugins: ten.plugins },
      "UNSUPPORTED",
      /TensorRT-RTX 1\.6\.1 has no plugin library$/,
    ],
  ];
  for (const [argument, status, message] of cases) {
    const failure = await open(argument);
    assert.equal(failure.status, status, failure.message);
    assert.match(failure.message, message);
  }
});

nativeTest("shim: a parser that the loader tied to another core of the same major is refused", async () => {
  const argument = { first: fakeSet("10.16").core, second: fakeSet("10.0") };
  const { versions, parser, plugins } = await scenario<TwoCores>("twoCores", argument);
  assert.deepEqual(versions, [101601, 100001]);
  for (const outcome of [parser, plugins]) {
    const failure = outcome as unknown as Failure;
    assert.equal(failure.status, "LIBRARY_MISMATCH");
    assert.match(
      failure.message,
      /is tied to ".*\/10\.16\/libnvinfer\.so\.10", not to ".*\/10\.0\/libnvinfer\.so\.10": use one/,
    );
  }
});

nativeTest("shim: the self-check finds a library whose slots are not those of its version", async () => {
  const { core, cuda } = fakeSet("liar");
  const failure = await scenario<Failure>("selfCheck", { path: core, cuda });
  assert.equal(failure.status, "ABI_MISMATCH", failure.message);
  assert.match(
    failure.message,
    /^IBuilder::getMaxThreads gave .* where 1 was expected: TensorRT 11\.1\.0 does not fit the slots of family 11\.x$/,
  );
});

nativeTest("shim: a flag that does not stick is a mismatch for the self-check", async () => {
  const { core, cuda } = fakeSet("10.16");
  const env = { TRTD_FAKE: "flag=stuck" };
  const failure = await scenario<Failure>("selfCheck", { path: core, cuda }, { env });
  assert.equal(failure.status, "ABI_MISMATCH");
  assert.match(failure.message, /getFlags after setFlag gave 64 where 68 was expected/);
});

nativeTest("cuda: devices are listed with name, UUID, capability, memory and kind", async () => {
  const gpus = "NVIDIA Fake 4090:8.9:24564;Orin:8.7:65536;NVIDIA Fake A100 MIG 1g.10gb:8.0:9728";
  const { cuda } = fakeSet("8.6");
  const found = await scenario<Devices>("devices", { cuda }, { env: { TRTD_FAKE_GPUS: gpus } });
  assert.ok(!("status" in found), JSON.stringify(found));
  assert.deepEqual([found.driver_version, found.device_count], [13000, 3]);
  assert.deepEqual(found.devices, [
    {
      index: 0,
      compute_major: 8,
      compute_minor: 9,
      integrated: 0,
      mig: 0,
      multiprocessors: 24,
      memory_total: 24564 * 2 ** 20,
      memory_free: 12282 * 2 ** 20,
      uuid: "GPU-a0a0a0a0-a0a0-a0a0-a0a0-a0a0a0a0a0a0",
      name: "NVIDIA Fake 4090",
      pci_bus_id: "0000:65:00.0",
    },
    {
      index: 1,
      compute_major: 8,
      compute_minor: 7,
      integrated: 1,
      mig: 0,
      multiprocessors: 24,
      memory_total: 65536 * 2 ** 20,
      memory_free: null,
      uuid: "GPU-a1a1a1a1-a1a1-a1a1-a1a1-a1a1a1a1a1a1",
      name: "Orin",
      pci_bus_id: "0000:66:00.0",
    },
    {
      index: 2,
      compute_major: 8,
      compute_minor: 0,
      integrated: 0,
      mig: 1,
      multiprocessors: 24,
      memory_total: 9728 * 2 ** 20,
      memory_free: null,
      uuid: "MIG-a2a2a2a2-a2a2-a2a2-a2a2-a2a2a2a2a2a2",
      name: "NVIDIA Fake A100 MIG 1g.10gb",
      pci_bus_id: "0000:67:00.0",
    },
  ]);
  assert.equal((found.beyond as Failure).message, "There is no CUDA device 3: the driver shows 3");
});

nativeTest("cuda: a machine without a driver says so with both names tried", async () => {
  const failure = await scenario<Devices>("devices", {}, { env: { LD_LIBRARY_PATH: "/nonexistent" } });
  if (!("status" in failure)) return; // This machine has a driver.
  if (failure.status === "CUDA_ERROR") return; // It has one that does not start.
  assert.equal(failure.status, "NO_DRIVER");
  assert.match(failure.message, /libcuda\.so\.1: .*; libcuda\.so: /);
});

const ENDS: [title: string, fake: string, signal: string, line: string][] = [
  [
    "an abort",
    "build=abort",
    "SIGABRT",
    "FATAL tensorrt-8.6.1: [fake::assert] Assertion failed: the line before the abort",
  ],
  ["a crash", "build=crash", "SIGSEGV", "ERROR tensorrt-8.6.1: The line before the crash"],
];

for (const [title, fake, signal, line] of ENDS) {
  nativeTest(`log: the line before ${title} is in the pipe and in the file`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      const file = join(folder, "build.log");
      const env = { TRTD_FAKE: fake, TRTD_FAKE_GPUS: ONE_GPU };
      const end = await runChild("ending", { set: fakeSet("8.6"), file }, { env });
      assert.equal(end.signal, signal);
      assert.ok(end.stderr.includes(line), end.stderr);
      assert.ok((await Deno.readTextFile(file)).includes(line));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

nativeTest("log: a build that never ends leaves its last line and can be killed", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = join(folder, "build.log");
    const env = { TRTD_FAKE: "build=hang", TRTD_FAKE_GPUS: ONE_GPU };
    const lastLine = /Z INFO tensorrt-8\.6\.1: The build goes round in circles\n$/;
    const killWhen = async () => lastLine.test(await Deno.readTextFile(file).catch(() => ""));
    const end = await runChild("ending", { set: fakeSet("8.6"), file }, { env, killWhen });
    assert.deepEqual([end.timedOut, end.signal], [false, "SIGKILL"]);
    assert.match(await Deno.readTextFile(file), lastLine);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

nativeTest("log: a flood of 100,000 lines reaches file and ring without a loss", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = join(folder, "build.log");
    const env = { TRTD_FAKE: "flood=100000" };
    const found = await scenario<Flooded>("flood", { set: fakeSet("10.16"), file, ringBytes: 64 << 20 }, { env });
    assert.deepEqual([found.lines, found.gaps, found.lost], [100_000, 0, 0]);
    const lines = (await Deno.readTextFile(file)).split("\n").filter((line) => line.includes(" VERBOSE "));
    assert.equal(lines.length, 100_000);
    assert.ok(lines.at(-1)!.endsWith("Tactic: 0x99999 Time: 0.0123"));
    // A tenth of a second where nothing else runs; a call into the library for each line would take minutes.
    assert.ok(found.drainedMs < 60_000, `drained in ${found.drainedMs} ms`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

nativeTest("log: a small ring loses the oldest lines and counts them", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const env = { TRTD_FAKE: "flood=5000" };
    const argument = { set: fakeSet("10.16"), file: join(folder, "build.log"), ringBytes: 64 << 10 };
    const found = await scenario<Flooded>("flood", argument, { env });
    assert.equal(found.lines + found.lost, 5000);
    assert.ok(found.lines > 500 && found.lines < 1000, String(found.lines));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

for (const name of ["9.3", "10.16", "rtx-1.6"]) {
  nativeTest(`builder: a running build of the fake ${name} is cancelled at its next step`, async () => {
    const env = { TRTD_FAKE: "step=20" };
    const found = await scenario<Cancelled>("cancelling", { set: fakeSet(name) }, { env });
    assert.equal((found.early as Failure).status, "UNSUPPORTED");
    assert.equal(found.watching, null);
    assert.deepEqual(found.steps?.slice(0, 3), [0, 1, 2]);
    assert.equal((found.outcome as Failure).status, "CANCELLED");
  });
}

nativeTest("builder: 8.6 has no progress, and says so", async () => {
  const found = await scenario<Cancelled>("cancelling", { set: fakeSet("8.6") });
  assert.equal((found.watching as Failure).status, "UNSUPPORTED");
  assert.match((found.watching as Failure).message, /TensorRT 8\.6\.1 has no progress monitor/);
});

nativeTest("ffi: permission for the one file is enough to build with all libraries", async () => {
  const { shim } = shimAndFakes();
  const permissions = [`--allow-ffi=${shim}`, "--allow-env", "--deny-read", "--deny-write", "--deny-run", "--deny-net"];
  const argument = { set: fakeSet("rtx-1.6"), step: "open", fake: "" };
  const end = await runChild("failing", argument, { permissions });
  assert.equal(end.code, 0, end.stderr);
  assert.equal((JSON.parse(end.stdout) as Failing).failure, null);
});

for (const [name, seed] of [["8.6", 1], ["10.16", 2], ["rtx-1.6", 3]] as const) {
  nativeTest(`shim: 4,000 random calls on the fake ${name} all answer with a status`, async () => {
    const { answers } = await scenario<Fuzzed>("fuzz", { set: fakeSet(name), seed, calls: 4000 });
    const total = Object.values(answers).reduce((sum, count) => sum + count, 0);
    assert.ok(total > 3000, JSON.stringify(answers));
    for (const status of ["OK", "INVALID_ARGUMENT", "INVALID_HANDLE"]) {
      assert.ok(answers[status]! > 50, JSON.stringify(answers));
    }
    assert.equal(answers["INTERNAL"], undefined);
  });
}
