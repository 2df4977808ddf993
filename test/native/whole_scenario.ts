import { Device } from "../../ffi/cuda.ts";
import { Option, Part, Pool, Selector } from "../../ffi/enums.ts";
import { liveHandles } from "../../ffi/handle.ts";
import { drainLog, logToRing } from "../../ffi/log.ts";
import type { FakeSet } from "./children.ts";
import { attempt, journalOf, MODEL, openSet, type Outcome, SHAPES, triedFlags } from "./scenario_steps.ts";

const encoder = new TextEncoder();

/** Everything that works, from opening to an answer of the GPU. */
export async function whole(argument: { set: FakeSet; file: string }) {
  const { set } = argument;
  const take = journalOf(set);
  logToRing(1 << 20);
  const library = await openSet(set);
  const checks = await library.selfCheck();
  const selfCheckJournal = take();
  const facts = library.facts();
  const paths = [Part.CORE, Part.PARSER, Part.PLUGINS].map((part) => library.path(part));
  const plugins = [library.hasPlugin("EfficientNMS_TRT"), library.hasPlugin("Nothing_TRT")];

  const device = await Device.open(1);
  const builder = await library.createBuilder({ device });
  const builderFacts = builder.facts();
  builder.setThreads(3);
  const stronglyTyped = await attempt(() => {
    builder.createNetwork({ stronglyTyped: true }).close();
    return true;
  });
  const network = builder.createNetwork();
  await network.parse(encoder.encode(MODEL), "/models/m.onnx");
  const networkFacts = network.facts();
  const tensors = [...network.inputs(), ...network.outputs()];

  const config = builder.createConfig();
  const flags = await triedFlags(config);
  const options: Record<string, Outcome<number>> = {};
  const values: [keyof typeof Option, number][] = [
    ["OPTIMIZATION_LEVEL", 5],
    ["PROFILING_VERBOSITY", 2],
    ["HARDWARE_COMPATIBILITY", 1],
    ["TACTIC_SOURCES", 8],
    ["DLA_CORE", 1],
    ["DEFAULT_DEVICE", 1],
    ["MAX_AUX_STREAMS", 2],
    ["AVERAGE_TIMING_ITERATIONS", 6],
  ];
  for (const [name, value] of values) {
    options[name] = await attempt(() => {
      config.setOption(Option[name], value);
      return name === "MAX_AUX_STREAMS" ? value : config.getOption(Option[name]);
    });
  }
  const pools: Outcome<number>[] = [];
  for (let pool = Pool.WORKSPACE; pool <= Pool.TACTIC_SHARED_MEMORY; pool++) {
    pools.push(
      await attempt(() => {
        config.setPool(pool, 5_000_000_000 + pool);
        return config.getPool(pool);
      }),
    );
  }
  const targets = await attempt(() => {
    config.setTargets([75, 89, 120]);
    return true;
  });
  const progress = await attempt(() => {
    config.watchProgress();
    return true;
  });
  await config.loadTimingCache();
  const profile = builder.createProfile();
  profile.setShapes("images", SHAPES);
  const profileIndex = config.addProfile(profile);
  const plan = await builder.build(network, config);
  await plan.writeFile(argument.file);
  const bytes = plan.read();
  using timing = config.saveTimingCache();
  const timingCache = new TextDecoder().decode(timing.read());

  const runtime = await library.createRuntime({ device });
  const threads = [runtime.maxThreads];
  runtime.setMaxThreads(2);
  threads.push(runtime.maxThreads);
  const hostCode = await attempt(() => {
    runtime.setHostCodeAllowed(true);
    return runtime.hostCodeAllowed;
  });
  const engine = await runtime.load(bytes);
  const engineFacts = engine.facts();
  const engineTensors = engine.tensors();
  const profileShapes = [Selector.MIN, Selector.OPT, Selector.MAX].map((selector) =>
    engine.profileShape("images", 0, selector)
  );
  const layers = engine.describe("json");

  const rtx = set.plugins === null;
  if (rtx) (await engine.createContext()).close();
  const context = await engine.createContext(
    rtx ? { runtimeCache: encoder.encode("KERNELS of before"), cudaGraph: true, specialize: true } : {},
  );
  using cache = rtx ? context.saveRuntimeCache() : null;
  const kernels = cache === null ? null : new TextDecoder().decode(cache.read());
  const stream = device.createStream();
  context.setProfile(0, stream);
  const missingBefore = context.missingShapes();
  context.setShape("images", [2, 3, 2, 2]);
  const missingAfter = context.missingShapes();
  const outputShape = context.shape("output0");
  const outputBytes = context.outputBytes("output0");
  const input = device.allocate(2 * 3 * 2 * 2 * 4);
  const output = device.allocate(outputBytes + 16);
  input.write(new Uint8Array(Float32Array.from({ length: 24 }, (_, i) => i).buffer));
  context.setAddress("images", input);
  context.setAddress("output0", output, 16);
  // The context keeps what it uses.
  input.close();
  context.enqueue(stream);
  await stream.synchronize();
  const answer = [...new Float32Array(output.read(16).buffer)];

  // Parents first: children must keep them alive.
  for (const object of [library, device, builder, network, config, profile, plan, runtime, engine]) object.close();
  for (const object of [context, stream, output]) object.close();
  timing.close();
  cache?.close();
  const { events, lost } = drainLog();
  return {
    checks,
    selfCheckJournal,
    facts,
    paths,
    plugins,
    builderFacts,
    stronglyTyped,
    networkFacts,
    tensors,
    flags,
    options,
    pools,
    targets,
    progress,
    profileIndex,
    plan: Array.from(bytes.subarray(0, 32)),
    size: bytes.length,
    timingCache,
    threads,
    hostCode,
    engineFacts,
    engineTensors,
    profileShapes,
    layers: layers.length,
    kernels,
    missingBefore,
    missingAfter,
    outputShape,
    outputBytes,
    answer,
    live: liveHandles(),
    journal: take(),
    phases: events.filter((event) => event.kind !== "log"),
    lost,
  };
}

/** What the scenario prints. */
export type Whole = Awaited<ReturnType<typeof whole>>;
