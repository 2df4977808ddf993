/** Scenarios on libraries of NVIDIA. */

import { cudaDevice, Device, openCuda } from "../../ffi/cuda.ts";
import { ElementType, Mode, Pool, Product, Severity } from "../../ffi/enums.ts";
import { TensorRtLibrary } from "../../ffi/library.ts";
import { drainLog, logToRing } from "../../ffi/log.ts";
import { attempt, type SHAPES, triedFlags } from "./scenario_steps.ts";

const encoder = new TextEncoder();

/** Builds a real plan on the CPU, and says how runtime and parser behave. */
export async function real(
  argument: {
    core: string;
    parser: string;
    model: string;
    targets?: number[];
    shapes?: Record<string, typeof SHAPES>;
    file?: string;
  },
) {
  logToRing(1 << 22);
  const library = await TensorRtLibrary.open(argument.core);
  await library.openParser(argument.parser);
  const checks = await library.selfCheck();
  const builder = await library.createBuilder();
  const network = builder.createNetwork();
  const flags = await triedFlags(builder.createConfig());
  const outcome = await attempt(async () => {
    await network.parse(await Deno.readFile(argument.model));
    const config = builder.createConfig();
    config.setPool(Pool.WORKSPACE, 1 << 28);
    config.watchProgress();
    if (argument.targets !== undefined) config.setTargets(argument.targets);
    for (const [input, shapes] of Object.entries(argument.shapes ?? {})) {
      const profile = builder.createProfile();
      profile.setShapes(input, shapes);
      config.addProfile(profile);
    }
    await config.loadTimingCache();
    const begun = performance.now();
    const plan = await builder.build(network, config);
    const buildMs = performance.now() - begun;
    using timing = config.saveTimingCache();
    const bytes = plan.read();
    const runtime = await library.createRuntime();
    const threads = runtime.maxThreads;
    const foreign = await attempt(() =>
      runtime.load(encoder.encode("no plan at all, but long enough to be read as one")).then(() => null)
    );
    const own = await attempt(() => runtime.load(bytes).then((engine) => engine.tensors()));
    return {
      buildMs,
      timingCache: timing.size,
      size: bytes.length,
      head: Array.from(bytes.subarray(0, 32)),
      threads,
      foreign,
      own,
      stated: Number(new DataView(bytes.buffer).getBigInt64(16, true)),
    };
  });
  const { events } = drainLog();
  const tensors = [...network.inputs(), ...network.outputs()].map(({ name, type, dims }) => ({
    name,
    type: ElementType[type],
    dims,
  }));
  return {
    facts: library.facts(),
    checks,
    flags,
    tensors,
    complaints: network.complaints(),
    outcome,
    phases: events.filter((event) => event.kind === "phase-start").map((event) =>
      event.kind === "phase-start" ? event.phase : ""
    ),
    errors: events.filter((event) => event.kind === "log" && event.severity <= Severity.ERROR)
      .map((event) => event.kind === "log" ? event.text : ""),
  };
}

/** A real build that is cancelled at its first sign of progress. */
export async function cancelReal(argument: { core: string; parser: string; model: string; shapes: typeof SHAPES }) {
  logToRing(1 << 22);
  const library = await TensorRtLibrary.open(argument.core);
  await library.openParser(argument.parser);
  const builder = await library.createBuilder();
  const network = builder.createNetwork();
  await network.parse(await Deno.readFile(argument.model));
  const config = builder.createConfig();
  config.watchProgress();
  const profile = builder.createProfile();
  profile.setShapes("images", argument.shapes);
  config.addProfile(profile);
  const build = attempt(() => builder.build(network, config).then(() => null));
  let seen = 0;
  for (const begun = performance.now(); seen === 0 && performance.now() - begun < 20_000;) {
    seen = drainLog().events.filter((event) => event.kind === "phase-start").length;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  config.cancel();
  return { seen, outcome: await build };
}

/**
 * Builds a model for a GPU, loads the plan and runs it, with the runtime cache where there is one. `input` is a file of
 * the first input's raw values; the raw values of every output go to `output` + "." + its name.
 */
export async function execute(argument: {
  core: string;
  parser: string;
  plugins?: string | null;
  cuda?: string;
  device?: number;
  model: string;
  input: string;
  output: string;
  shape: number[];
}) {
  const cuda = await openCuda(argument.cuda);
  const gpu = await cudaDevice(argument.device ?? 0, { memory: true });
  const library = await TensorRtLibrary.open(argument.core);
  await library.openParser(argument.parser);
  if (argument.plugins) await library.openPlugins(argument.plugins);
  const checks = await library.selfCheck();
  using device = await Device.open(argument.device ?? 0);
  using builder = await library.createBuilder({ device });
  using network = builder.createNetwork();
  await network.parse(await Deno.readFile(argument.model), argument.model);
  using config = builder.createConfig();
  const [first] = network.inputs();
  if (first?.dims?.some((size) => size < 0)) {
    const profile = builder.createProfile();
    profile.setShapes(first.name, { min: argument.shape, opt: argument.shape, max: argument.shape });
    config.addProfile(profile);
  }
  const timings: Record<string, number> = {};
  const timed = async <T>(name: string, body: () => T | Promise<T>): Promise<T> => {
    const begun = performance.now();
    const value = await body();
    timings[name] = performance.now() - begun;
    return value;
  };
  using plan = await timed("build_ms", () => builder.build(network, config));
  using runtime = await library.createRuntime({ device });
  using engine = await timed("load_ms", () => runtime.load(plan.read()));
  const rtx = library.facts().product === Product.TENSORRT_RTX;
  const fresh = rtx ? { runtimeCache: new Uint8Array(0) } : {};
  using context = await timed("context_ms", () => engine.createContext(fresh));
  using stream = device.createStream();
  const tensors = engine.tensors();
  const input = tensors.find((tensor) => tensor.mode === Mode.INPUT)!;
  context.setShape(input.name, argument.shape);
  const missing = context.missingShapes();
  const values = await Deno.readFile(argument.input);
  using source = device.allocate(values.byteLength);
  source.write(values);
  context.setAddress(input.name, source);
  const outputs = tensors.filter((tensor) => tensor.mode === Mode.OUTPUT).map(({ name }) => {
    const memory = device.allocate(context.outputBytes(name));
    context.setAddress(name, memory);
    return { name, memory, shape: context.shape(name) };
  });
  for (const run of ["first_run_ms", "second_run_ms"]) {
    await timed(run, async () => {
      context.enqueue(stream);
      await stream.synchronize();
    });
  }
  for (const { name, memory } of outputs) await Deno.writeFile(`${argument.output}.${name}`, memory.read());
  let cacheBytes = 0;
  if (rtx) {
    using cache = context.saveRuntimeCache();
    const kernels = cache.read();
    cacheBytes = kernels.byteLength;
    const again = await timed("context_with_cache_ms", () => engine.createContext({ runtimeCache: kernels }));
    again.close();
  }
  return {
    cuda: { driver: cuda.driver_version, release: cuda.driver_release },
    gpu,
    facts: library.facts(),
    checks,
    planBytes: plan.size,
    missing,
    outputs: outputs.map(({ name, shape }) => ({ name, shape })),
    timings,
    cacheBytes,
  };
}

/** A runtime where there is no driver. */
export async function runtimeAlone(argument: { core: string; unchecked: boolean }) {
  const library = await TensorRtLibrary.open(argument.core);
  const builder = await attempt(() => library.createBuilder({ unchecked: true }).then(() => null));
  const runtime = await attempt(() => library.createRuntime({ unchecked: argument.unchecked }).then(() => null));
  return { facts: library.facts(), builder, runtime };
}

/** What real prints. */
export type Real = Awaited<ReturnType<typeof real>>;
/** What cancelReal prints. */
export type CancelledReal = Awaited<ReturnType<typeof cancelReal>>;
/** What runtimeAlone prints. */
export type RuntimeAlone = Awaited<ReturnType<typeof runtimeAlone>>;

/** What execute prints. */
export type Executed = Awaited<ReturnType<typeof execute>>;
