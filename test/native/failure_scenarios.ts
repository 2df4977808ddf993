/** Scenarios on the fakes that fail, end or are stopped. */

import { cudaDevice, openCuda } from "../../ffi/cuda.ts";
import { Severity } from "../../ffi/enums.ts";
import { TensorRtLibrary } from "../../ffi/library.ts";
import { drainLog, logToDescriptor, logToFile, logToRing } from "../../ffi/log.ts";
import type { FakeSet } from "./children.ts";
import { attempt, openSet } from "./scenario_steps.ts";

const encoder = new TextEncoder();

type Step = "open" | "builder" | "runtime" | "network" | "parse" | "build" | "load" | "context" | "cache";

/** Goes on until a step fails, with TRTD_FAKE set from `step` on, and tells how that step failed. */
export async function failing(
  argument: { set: FakeSet; step: Step; fake: string; model?: string; unchecked?: boolean },
) {
  const { set, step, fake, unchecked = false } = argument;
  const model = encoder.encode(argument.model ?? "model\ninput x 0 1x4\noutput y 0 1x4\n");
  const at = (name: Step) => {
    if (step === name) Deno.env.set("TRTD_FAKE", fake);
  };
  logToRing(1 << 20);
  let complaints: unknown[] = [];
  const failure = await attempt(async () => {
    at("open");
    const library = await openSet(set);
    at("builder");
    const builder = await library.createBuilder({ unchecked });
    at("network");
    const network = builder.createNetwork();
    at("parse");
    const parsed = await attempt(() => network.parse(model));
    complaints = network.complaints();
    if (parsed !== undefined) return parsed;
    at("build");
    const plan = await builder.build(network, builder.createConfig());
    at("runtime");
    const runtime = await library.createRuntime({ unchecked });
    at("load");
    const engine = await runtime.load(plan.read());
    at("context");
    await engine.createContext();
    if (step !== "cache") return null;
    at("cache");
    const context = await engine.createContext({ runtimeCache: encoder.encode("KERNELS of before") });
    context.saveRuntimeCache();
    return null;
  });
  return { failure, complaints };
}

/** Builds with lines to standard error and to a file, for ends that no code can catch. */
export async function ending(argument: { set: FakeSet; file: string }) {
  const library = await openSet(argument.set);
  logToDescriptor(2, Severity.ERROR);
  logToFile(argument.file);
  const builder = await library.createBuilder();
  const network = builder.createNetwork();
  await network.parse(encoder.encode("model\ninput x 0 1x4\noutput y 0 1x4\n"));
  await builder.build(network, builder.createConfig());
  return "built";
}

/** A flood of lines to a file and the ring. */
export async function flood(argument: { set: FakeSet; file: string; ringBytes: number }) {
  const library = await openSet(argument.set);
  logToFile(argument.file);
  logToRing(argument.ringBytes);
  const builder = await library.createBuilder();
  const network = builder.createNetwork();
  await network.parse(encoder.encode("model\ninput x 0 1x4\noutput y 0 1x4\n"));
  const begun = performance.now();
  await builder.build(network, builder.createConfig());
  const builtMs = performance.now() - begun;
  const drained = performance.now();
  const { events, lost } = drainLog();
  return {
    builtMs,
    drainedMs: performance.now() - drained,
    lines: events.filter((event) => event.kind === "log" && event.text.startsWith("Tactic:")).length,
    gaps: events.filter((event, i) => i > 0 && event.sequence !== events[i - 1]!.sequence + 1).length,
    lost,
  };
}

/** A slow build that is cancelled on the way, while the ring is read. */
export async function cancelling(argument: { set: FakeSet }) {
  const library = await openSet(argument.set);
  logToRing(1 << 20);
  const builder = await library.createBuilder();
  const network = builder.createNetwork();
  await network.parse(encoder.encode("model\ninput x 0 1x4\noutput y 0 1x4\n"));
  const config = builder.createConfig();
  const early = await attempt(() => config.cancel());
  const watching = await attempt(() => config.watchProgress());
  if (watching !== undefined) return { early, watching };
  const build = attempt(() => builder.build(network, config).then(() => "built"));
  const steps: number[] = [];
  const begun = performance.now();
  while (steps.length < 3 && performance.now() - begun < 20_000) {
    for (const event of drainLog().events) {
      if (event.kind === "phase-step") steps.push(event.step);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  config.cancel();
  const cancelled = performance.now();
  const outcome = await build;
  return { early, watching: null, steps, outcome, endedMs: performance.now() - cancelled };
}

/** Opening core libraries, good and bad. */
export async function opening(
  argument: { path: string; force?: boolean; parser?: string; plugins?: string; cuda?: string },
) {
  if (argument.cuda !== undefined) await openCuda(argument.cuda);
  return await attempt(async () => {
    const library = await TensorRtLibrary.open(argument.path, { force: argument.force ?? false });
    if (argument.parser !== undefined) await library.openParser(argument.parser);
    if (argument.plugins !== undefined) await library.openPlugins(argument.plugins);
    return library.facts();
  });
}

/** A second TensorRT of the same major in one process. */
export async function twoCores(argument: { first: string; second: FakeSet }) {
  const first = await TensorRtLibrary.open(argument.first);
  const second = await TensorRtLibrary.open(argument.second.core);
  return {
    versions: [first.facts().version, second.facts().version],
    parser: await attempt(() => second.openParser(argument.second.parser).then(() => null)),
    plugins: await attempt(() => second.openPlugins(argument.second.plugins!).then(() => null)),
  };
}

/** The self-check alone. */
export async function selfCheck(argument: { path: string; cuda?: string; force?: boolean; unchecked?: boolean }) {
  if (argument.cuda !== undefined) await openCuda(argument.cuda);
  return await attempt(async () => {
    const library = await TensorRtLibrary.open(argument.path, { force: argument.force ?? false });
    return { checks: await library.selfCheck({ unchecked: argument.unchecked ?? false }) };
  });
}

/** What the driver says of its devices. */
export async function devices(argument: { cuda?: string }) {
  return await attempt(async () => {
    const facts = await openCuda(argument.cuda);
    const list = [];
    for (let index = 0; index < facts.device_count; index++) {
      list.push(await cudaDevice(index, { memory: index === 0 }));
    }
    const beyond = await attempt(() => cudaDevice(facts.device_count));
    return { ...facts, path: facts.path !== "", devices: list, beyond };
  });
}

/** What failing prints. */
export type Failing = Awaited<ReturnType<typeof failing>>;
/** What flood prints. */
export type Flooded = Awaited<ReturnType<typeof flood>>;
/** What cancelling prints. */
export type Cancelled = Awaited<ReturnType<typeof cancelling>>;
/** What devices prints. */
export type Devices = Awaited<ReturnType<typeof devices>>;
/** What twoCores prints. */
export type TwoCores = Awaited<ReturnType<typeof twoCores>>;
