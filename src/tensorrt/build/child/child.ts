/** The build child: it alone loads TensorRT, so that a crash ends nothing else. */
import { createHash } from "node:crypto";
import { Builder, type BuilderConfig, Network } from "../../../../ffi/builder.ts";
import { Device, openCuda } from "../../../../ffi/cuda.ts";
import { Evidence, Flag, Option, Pool, Severity } from "../../../../ffi/enums.ts";
import { TensorRtLibrary } from "../../../../ffi/library.ts";
import { loadShim, ShimLoadError } from "../../../../ffi/load.ts";
import { drainLog, logToDescriptor, logToRing } from "../../../../ffi/log.ts";
import { ShimError } from "../../../../ffi/shim_error.ts";
import type { BuildPlan } from "../../plan/plan.ts";
import {
  type BuildJob,
  type BuildReport,
  type BuildStage,
  type BuiltReport,
  type ChildMessage,
  type ParserComplaint,
  type ReportedTensor,
} from "./messages.ts";
import type { ChildWork } from "./child_control.ts";
import { ProgressTree } from "./progress_tree.ts";

const RING_BYTES = 1 << 20;
const PROGRESS_EVERY_MS = 100;
const STANDARD_ERROR = 2;

type Say = (message: ChildMessage) => void;

/** A build that can be asked to end. */
export class BuildChild implements ChildWork<BuildReport> {
  readonly #job: BuildJob;
  readonly #say: Say;
  readonly #timings: Partial<Record<BuildStage, number>> = {};
  readonly #remarks: string[] = [];
  #stage: BuildStage = "start";
  #stageBegan = performance.now();
  #config: BuilderConfig | null = null;
  #network: Network | null = null;

  get unwanted(): readonly string[] {
    const { output, model } = this.#job;
    return [output, ...model.temporary ? [model.path] : []];
  }

  constructor(job: BuildJob, say: Say) {
    this.#job = job;
    this.#say = say;
  }

  /** Asks the builder to end at its next step. @returns whether it could be asked: only where it tells its progress */
  cancel(): boolean {
    try {
      this.#config?.cancel();
      return this.#config !== null;
    } catch (error) {
      if (error instanceof ShimError) return false;
      throw error;
    }
  }

  /** Builds and writes the plan to the job's output. Never throws: every failure is a report. */
  async run(): Promise<BuildReport> {
    try {
      loadShim(this.#job.shim ?? undefined);
      logToDescriptor(STANDARD_ERROR, Severity.VERBOSE);
      logToRing(RING_BYTES, Severity.NONE);
      return await this.#build();
    } catch (thrown) {
      return {
        outcome: "failed",
        stage: this.#stage,
        status: statusOf(thrown),
        message: thrown instanceof Error ? thrown.message : String(thrown),
        complaints: this.#complaints(),
      };
    }
  }

  async #build(): Promise<BuiltReport> {
    const { plan, output } = this.#job;
    this.#enter("open");
    const library = await openLibraries(plan);
    const facts = library.facts();
    if (facts.evidence === Evidence.NONE) {
      this.#enter("self-check");
      await library.selfCheck();
    }
    const device = plan.device === null ? null : await Device.open(plan.device);
    const builder = await library.createBuilder(device === null ? {} : { device });

    this.#enter("parse");
    const network = this.#network = builder.createNetwork();
    await network.parse(await readModel(this.#job.model), this.#job.model.path);

    this.#enter("configure");
    const config = this.#config = builder.createConfig();
    await this.#configure(builder, config);

    this.#enter("build");
    const blob = await this.#watched(builder, network, config);

    this.#enter("write");
    const bytes = blob.size;
    await blob.writeFile(output);
    if (plan.timing_cache !== null) await this.#keepTimings(config, plan.timing_cache);
    this.#enter("start");
    const { layers } = network.facts();
    return {
      outcome: "built",
      bytes,
      layers,
      inputs: network.inputs().map(tensorFrom),
      outputs: network.outputs().map(tensorFrom),
      library: [facts.major, facts.minor, facts.patch, ...facts.build > 0 ? [facts.build] : []].join("."),
      timings_ms: this.#timings,
      remarks: this.#remarks,
    };
  }

  async #configure(builder: Builder, config: BuilderConfig): Promise<void> {
    const { plan } = this.#job;
    for (const flag of plan.flags) config.setFlag(Flag[flag]);
    if (plan.workspace_bytes !== null) config.setPool(Pool.WORKSPACE, plan.workspace_bytes);
    const options: [Option, number | null][] = [
      [Option.OPTIMIZATION_LEVEL, plan.optimization_level],
      [Option.HARDWARE_COMPATIBILITY, plan.hardware_compatibility],
      [Option.TACTIC_SOURCES, plan.tactic_sources],
    ];
    if (plan.dla_core !== null) options.push([Option.DLA_CORE, plan.dla_core], [Option.DEFAULT_DEVICE, 1]);
    for (const [option, value] of options) if (value !== null) config.setOption(option, value);
    if (plan.set_targets.length > 0) config.setTargets(plan.set_targets);
    if (plan.profile.length > 0) {
      const profile = builder.createProfile();
      for (const { input, ...shapes } of plan.profile) profile.setShapes(input, shapes);
      config.addProfile(profile);
    }
    if (plan.timing_cache !== null) await this.#loadTimings(config, plan.timing_cache);
    this.#watch(config);
  }

  #watch(config: BuilderConfig): void {
    try {
      config.watchProgress();
    } catch (error) {
      if (!(error instanceof ShimError)) throw error;
    }
  }

  async #loadTimings(config: BuilderConfig, path: string): Promise<void> {
    const bytes = await Deno.readFile(path).catch((error) => {
      if (error instanceof Deno.errors.NotFound) return new Uint8Array(0);
      throw error;
    });
    try {
      await config.loadTimingCache(bytes);
    } catch (error) {
      if (!(error instanceof ShimError) || bytes.length === 0) throw error;
      this.#remarks.push(`The timing cache "${path}" was not accepted and is begun anew: ${error.message}`);
      await config.loadTimingCache();
    }
  }

  async #keepTimings(config: BuilderConfig, path: string): Promise<void> {
    const part = `${path}.${crypto.randomUUID()}.part`;
    try {
      using cache = config.saveTimingCache();
      await cache.writeFile(part);
      await Deno.rename(part, path);
    } catch (error) {
      await Deno.remove(part).catch(() => {});
      this.#remarks.push(`The timing cache was not kept: ${error instanceof Error ? error.message : error}`);
    }
  }

  async #watched(builder: Builder, network: Network, config: BuilderConfig) {
    const tree = new ProgressTree();
    const timer = setInterval(() => {
      let changed = false;
      for (const event of drainLog().events) if (event.kind !== "log") changed = tree.take(event) || changed;
      if (changed) this.#say({ event: "progress", progress: tree.progress });
    }, PROGRESS_EVERY_MS);
    try {
      return await builder.build(network, config);
    } finally {
      clearInterval(timer);
    }
  }

  #enter(stage: BuildStage): void {
    const now = performance.now();
    if (this.#stage !== "start") this.#timings[this.#stage] = Math.round(now - this.#stageBegan);
    this.#stage = stage;
    this.#stageBegan = now;
    if (stage !== "start") this.#say({ event: "stage", stage });
  }

  #complaints(): ParserComplaint[] {
    try {
      return this.#network?.complaints().map((one) => ({
        code: one.code,
        description: one.description,
        node: one.node < 0 ? null : one.node,
        node_name: one.node_name === "" ? null : one.node_name,
        operator: one.node_operator === "" ? null : one.node_operator,
      })) ?? [];
    } catch {
      return [];
    }
  }
}

/** The model is not what the plan was made from. */
class ModelError extends Error {
  constructor(readonly status: "MODEL_CHANGED" | "MODEL_UNREADABLE", message: string) {
    super(message);
  }
}

function statusOf(thrown: unknown): string {
  if (thrown instanceof ShimError) return thrown.statusName;
  if (thrown instanceof ModelError) return thrown.status;
  return thrown instanceof ShimLoadError ? "LIBRARY_NOT_LOADED" : "INTERNAL";
}

async function openLibraries({ libraries, device, force }: BuildPlan): Promise<TensorRtLibrary> {
  if (device !== null) await openCuda(libraries.cuda_driver ?? undefined);
  const library = await TensorRtLibrary.open(libraries.core, { force });
  await library.openParser(libraries.parser);
  if (libraries.plugins !== null) await library.openPlugins(libraries.plugins);
  return library;
}

async function readModel({ path, sha256 }: BuildJob["model"]): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await Deno.readFile(path).catch((error) => {
    throw new ModelError(
      "MODEL_UNREADABLE",
      `Cannot read "${path}": ${error instanceof Error ? error.message : error}`,
    );
  });
  if (createHash("sha256").update(bytes).digest("hex") !== sha256) {
    throw new ModelError("MODEL_CHANGED", `"${path}" changed while its engine was to be built`);
  }
  return bytes;
}

const tensorFrom = ({ name, dims }: ReportedTensor): ReportedTensor => ({ name, dims });
