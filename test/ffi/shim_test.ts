import assert from "node:assert/strict";
import { join } from "node:path";
import { Builder } from "../../ffi/builder.ts";
import { describeShim } from "../../ffi/describe.ts";
import { Severity, Status } from "../../ffi/enums.ts";
import { liveHandles } from "../../ffi/handle.ts";
import { loadShim, ShimLoadError, shimPaths } from "../../ffi/load.ts";
import { drainLog, logToFile, logToRing, logWrite } from "../../ffi/log.ts";
import { Runtime } from "../../ffi/runtime.ts";
import { ShimError } from "../../ffi/shim_error.ts";
import { ABI_VERSION } from "../../ffi/symbols.ts";
import { fakeSet, nativeTest, shimAndFakes, skipReason } from "../native/children.ts";

if (skipReason === undefined) loadShim(shimAndFakes().shim);

function failure(body: () => unknown): ShimError {
  try {
    body();
  } catch (error) {
    if (error instanceof ShimError) return error;
    throw error;
  }
  throw new Error("Nothing failed");
}

async function eventually<T>(body: () => Promise<T>): Promise<ShimError | T> {
  return await body().catch((error) => {
    if (error instanceof ShimError) return error;
    throw error;
  });
}

Deno.test("load: the shim is where the build puts it, or where TRTD_SHIM says", () => {
  assert.deepEqual(shimPaths("/opt/libtrtd.so"), ["/opt/libtrtd.so"]);
  assert.ok(shimPaths(undefined)[0]!.endsWith("/cpp/build/libtrtd.so"));
});

Deno.test("load: a shim that is not there or speaks another ABI is refused with its path", async () => {
  const load = async (path: string) => {
    const module = new URL("../../ffi/load.ts", import.meta.url).href;
    const code = `const { loadShim } = await import(${JSON.stringify(module)});
      try { loadShim(${JSON.stringify(path)}); console.log("loaded"); }
      catch (error) { console.log(error.name + ": " + error.message); }`;
    const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["eval", code] }).output();
    return new TextDecoder().decode(stdout);
  };
  assert.match(
    await load("/nonexistent/libtrtd.so"),
    /^ShimLoadError: The native library of trtd cannot be used: "\/nonexistent\/libtrtd\.so": /,
  );
  if (skipReason !== undefined) return;
  const folder = await Deno.makeTempDir();
  try {
    const source = join(folder, "old.c");
    await Deno.writeTextFile(source, "unsigned trtd_abi_version(void) { return 99; }\n");
    const library = join(folder, "old.so");
    const { success } = await new Deno.Command("cc", { args: ["-shared", "-fPIC", "-o", library, source] }).output();
    assert.ok(success);
    assert.match(
      await load(library),
      new RegExp(`it speaks ABI version 99, this program ${ABI_VERSION}; build it again`),
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("load: errors of the loader have a class of their own", () => {
  assert.equal(new ShimLoadError("x").name, "ShimLoadError");
});

nativeTest("shim: it says what it was built from and what it knows", () => {
  const facts = describeShim();
  assert.equal(facts.abi, ABI_VERSION);
  assert.match(facts.compiler, /^(gcc|clang) \d/);
  assert.equal(facts.architecture, Deno.build.arch);
  assert.deepEqual(facts.families.map((family) => family.name), [
    "8.5",
    "8.6 to 9.x",
    "10.x",
    "11.x",
    "RTX 1.3 to 1.4",
    "RTX 1.5 to 1.7",
  ]);
  for (let i = 1; i < 4; i++) assert.ok(facts.families[i]!.oldest > facts.families[i - 1]!.newest);
  return Promise.resolve();
});

nativeTest("shim: a text that does not fit is cut, ended and counted", () => {
  const { symbols } = loadShim();
  const length = new BigUint64Array(1);
  const text = new Uint8Array(8).fill(0xff);
  const status = symbols.trtd_describe(text, 8n, new Uint8Array(length.buffer), null);
  assert.equal(status, Status.BUFFER_TOO_SMALL);
  assert.equal(new TextDecoder().decode(text), '{"abi":\0');
  assert.ok(length[0]! > 100n);
  assert.equal(symbols.trtd_describe(null, 0n, new Uint8Array(length.buffer), null), Status.BUFFER_TOO_SMALL);
  assert.equal(symbols.trtd_describe(text, 8n, null, null), Status.INVALID_ARGUMENT);
  return Promise.resolve();
});

nativeTest("shim: ids that are not open, or are of another kind, are refused", async () => {
  const { TensorRtLibrary } = await import("../../ffi/library.ts");
  const before = liveHandles();
  const library = await TensorRtLibrary.open(fakeSet("rtx-1.6").core);
  assert.equal(liveHandles(), before + 1);
  const wrong = failure(() => new Builder(library.handle).facts());
  assert.equal(wrong.status, Status.INVALID_HANDLE);
  assert.match(wrong.message, /^Handle \d+ is a library, not a builder$/);
  const runtime = await library.createRuntime();
  library.close();
  library.close();
  assert.equal(library.handle, 0n);
  const closed = failure(() => library.facts());
  assert.equal(closed.message, "Handle 0 is no open library: it was closed or never made");
  // The runtime keeps its library.
  assert.equal(runtime.maxThreads, 1);
  runtime.close();
  const gone = failure(() => new Runtime(999_999n).maxThreads);
  assert.equal(gone.status, Status.INVALID_HANDLE);
});

nativeTest("shim: arguments out of range are refused before TensorRT sees them", async () => {
  const { TensorRtLibrary } = await import("../../ffi/library.ts");
  const { Option, Flag } = await import("../../ffi/enums.ts");
  using library = await TensorRtLibrary.open(fakeSet("rtx-1.6").core);
  await library.openParser(fakeSet("rtx-1.6").parser);
  using builder = await library.createBuilder();
  using other = await library.createBuilder();
  using config = builder.createConfig();
  using profile = builder.createProfile();
  using network = builder.createNetwork();
  const cases: [() => unknown, RegExp][] = [
    [() => builder.setThreads(0), /"threads" must be 1 or more/],
    [() => config.setOption(Option.OPTIMIZATION_LEVEL, 6), /The optimization level must be 0 to 5, not 6/],
    [() => config.setOption(99 as typeof Option.DLA_CORE, 0), /There is no option of that number/],
    [() => config.setFlag(77 as typeof Flag.TF32), /There is no flag of that number/],
    [() => config.setTargets([]), /"targets" must have 1 to 16 entries/],
    [() => config.setTargets([86, 86]), /Each target must be given once/],
    [() => config.addProfile(profile), /The profile has no shapes/],
    [() => profile.setShapes("x", { min: [-1], opt: [1], max: [1] }), /A dimension in a profile must be 0 to/],
    [() => config.getOption(Option.MAX_AUX_STREAMS), /cannot be read back/],
  ];
  for (const [body, message] of cases) assert.match(failure(body).message, message);

  profile.setShapes("x", { min: [2, 4], opt: [1, 4], max: [4, 4] });
  assert.equal(failure(() => config.addProfile(profile)).message, 'Input "x" has MIN 2x4 above OPT 1x4');

  const empty = await eventually(() => network.parse(new Uint8Array(0)));
  assert.equal((empty as ShimError).message, "The model has no bytes");
  await network.parse(new TextEncoder().encode("model\ninput x 0 1x4\noutput y 0 1x4\n"));
  const twice = await eventually(() => network.parse(new TextEncoder().encode("model\n")));
  assert.equal((twice as ShimError).message, "This network was filled before");
  const strangers = await eventually(() => other.build(network, config));
  assert.equal((strangers as ShimError).message, "Network and config must come from this builder");

  const blob = await builder.build(network, config);
  const size = blob.size;
  assert.match(
    failure(() => blob.read(size, 1)).message,
    new RegExp(`^1 bytes at ${size} go beyond the blob's ${size}$`),
  );
  const unwritable = await eventually(() => blob.writeFile(`${import.meta.filename}/plan`));
  assert.equal((unwritable as ShimError).status, Status.IO_ERROR);
  assert.equal((unwritable as ShimError).code, 20); // ENOTDIR
  const full = await eventually(() => blob.writeFile("/dev/full"));
  assert.match((full as ShimError).message, /"\/dev\/full" cannot be written: /);
  assert.ok((await Deno.stat("/dev/full")).isCharDevice);
  blob.close();
});

nativeTest("handle: objects that nobody closed are closed by the finalizer", async () => {
  const url = (name: string) => JSON.stringify(new URL(`../../ffi/${name}.ts`, import.meta.url).href);
  const code = `
    import { TensorRtLibrary } from ${url("library")};
    import { liveHandles } from ${url("handle")};
    for (let i = 0; i < 50; i++) await TensorRtLibrary.open(${JSON.stringify(fakeSet("rtx-1.6").core)});
    const opened = liveHandles();
    for (let i = 0; i < 100 && liveHandles() > 5; i++) {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    console.log(JSON.stringify([opened, liveHandles()]));`;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--v8-flags=--expose-gc", code],
    env: { TRTD_SHIM: shimAndFakes().shim },
  }).output();
  const [opened, left] = JSON.parse(new TextDecoder().decode(stdout) || `"${new TextDecoder().decode(stderr)}"`);
  assert.ok(opened > 5 && opened <= 50, String(opened));
  assert.ok(left <= 5, `${left} of 50 are left`);
});

nativeTest("log: lines have time, level and source, and a continued line begins with a tab", async () => {
  const file = await Deno.makeTempFile();
  try {
    logToFile(file, { severity: Severity.INFO });
    logWrite(Severity.WARNING, "trtd", "first\nsecond\r\n");
    logWrite(Severity.VERBOSE, "trtd", "not this one");
    logWrite(Severity.INFO, "trtd", "bell \x07 and Größe");
    logToFile(null);
    logWrite(Severity.INFO, "trtd", "after the end");
    const lines = (await Deno.readTextFile(file)).split("\n");
    assert.match(lines[0]!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z WARN trtd: first$/);
    assert.ok(Math.abs(Date.parse(lines[0]!.slice(0, 27)) - Date.now()) < 60_000);
    assert.equal(lines[1], "\tsecond");
    assert.match(lines[2]!, / INFO trtd: bell \? and Größe$/);
    assert.equal(lines.length, 4);
  } finally {
    await Deno.remove(file);
  }
});

nativeTest("log: a file at its limit is renamed and begun anew, and no line is torn", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = join(folder, "build.log");
    logToFile(file, { limitBytes: 4096 });
    for (let i = 0; i < 200; i++) logWrite(Severity.INFO, "trtd", `line ${i}`);
    logToFile(null);
    const [old, young] = await Promise.all([Deno.readTextFile(`${file}.1`), Deno.readTextFile(file)]);
    assert.ok(old.length <= 4096 && young.length <= 4096);
    const numbers = [...(old + young).matchAll(/ INFO trtd: line (\d+)\n/g)].map((match) => Number(match[1]));
    assert.equal(numbers.at(-1), 199);
    numbers.forEach((number, i) => assert.equal(number, numbers[0]! + i));
    assert.equal(failure(() => logToFile(`${import.meta.filename}/build.log`)).status, Status.IO_ERROR);
  } finally {
    logToFile(null);
    await Deno.remove(folder, { recursive: true });
  }
});

nativeTest("log: the ring gives back what was written, larger records too", () => {
  logToRing(1 << 20, Severity.INFO);
  logWrite(Severity.INFO, "trtd", "short");
  logWrite(Severity.VERBOSE, "trtd", "too low");
  logWrite(Severity.ERROR, "other", "x".repeat(5000));
  const { events, lost } = drainLog(64);
  logToRing(0);
  assert.equal(lost, 0);
  assert.deepEqual(
    events.map((event) => event.kind === "log" ? [event.source, event.severity, event.text.length] : null),
    [
      ["trtd", Severity.INFO, 5],
      ["other", Severity.ERROR, 5000],
    ],
  );
  assert.equal(events[1]!.sequence, events[0]!.sequence + 1);
  assert.ok(Math.abs(events[0]!.timeUs / 1000 - Date.now()) < 60_000);
  assert.deepEqual(drainLog().events, []);
  return Promise.resolve();
});

nativeTest("log: a source with a colon or a descriptor that is not open is refused", () => {
  assert.match(
    failure(() => logWrite(Severity.INFO, "a: b", "text")).message,
    /"source" must be a word without a colon/,
  );
  const { symbols } = loadShim();
  assert.equal(symbols.trtd_log_to_descriptor(987, Severity.INFO, null), Status.IO_ERROR);
  return Promise.resolve();
});
