/** The load child: it alone deserializes the engine, so that a crash ends nothing else. */
import { createHash } from "node:crypto";
import { cudaDevice, Device, openCuda } from "../../../ffi/cuda.ts";
import { ElementType, Evidence, Mode, Product, Severity } from "../../../ffi/enums.ts";
import { type LibraryFacts, TensorRtLibrary } from "../../../ffi/library.ts";
import { loadShim, ShimLoadError } from "../../../ffi/load.ts";
import { logToDescriptor } from "../../../ffi/log.ts";
import type { Engine, ExecutionContext } from "../../../ffi/runtime.ts";
import { ShimError } from "../../../ffi/shim_error.ts";
import type { ChildWork, Say } from "../build/child/child_control.ts";
import { fileBytes, LoadJobError, runEngine } from "./engine_run.ts";
import type { LoadedReport, LoadJob, LoadReport, LoadStage } from "./load_messages.ts";

const STANDARD_ERROR = 2;

/** One engine, loaded and run as its job says. */
export class LoadChild implements ChildWork<LoadReport> {
  readonly #job: LoadJob;
  readonly #say: Say<LoadStage, LoadReport>;
  readonly #times = new Map<LoadStage, number>();
  readonly #remarks: string[] = [];
  #stage: LoadStage | "start" = "start";
  #stageBegan = 0;
  #cancelled = false;

  constructor(job: LoadJob, say: Say<LoadStage, LoadReport>) {
    this.#job = job;
    this.#say = say;
  }

  get unwanted(): readonly string[] {
    const path = this.#job.runtimeCache?.write ?? null;
    return path === null ? [] : [path];
  }

  /** Only between runs it can be asked to end. */
  cancel(): boolean {
    this.#cancelled = true;
    return this.#stage === "run";
  }

  async run(): Promise<LoadReport> {
    try {
      loadShim(this.#job.shim ?? undefined);
      logToDescriptor(STANDARD_ERROR, Severity.INFO);
      return await this.#load();
    } catch (thrown) {
      return {
        outcome: "failed",
        stage: this.#stage,
        status: statusOf(thrown),
        message: thrown instanceof Error ? thrown.message : String(thrown),
      };
    }
  }

  async #load(): Promise<LoadedReport> {
    const { plan, engine: file } = this.#job;
    const index = plan.device ?? 0;
    this.#enter("open");
    await openCuda(plan.libraries.cuda_driver ?? undefined);
    const library = await TensorRtLibrary.open(plan.libraries.core, { force: plan.force });
    if (plan.libraries.plugins !== null) await library.openPlugins(plan.libraries.plugins);
    const facts = library.facts();
    if (facts.evidence === Evidence.NONE) {
      this.#enter("self-check");
      await library.selfCheck();
      this.#enter("open");
    }
    const gpu = await cudaDevice(index, { memory: true });
    using device = await Device.open(index);
    using runtime = await library.createRuntime({ device });

    this.#enter("read");
    const bytes = await fileBytes(file.path);
    if (digestOf(bytes) !== file.sha256) {
      throw new LoadJobError("ENGINE_CHANGED", `"${file.path}" is not the file that it was: its SHA-256 is another`);
    }

    this.#enter("deserialize");
    using engine = await runtime.load(bytes);

    this.#enter("context");
    const { context, given, accepted } = await this.#context(engine, facts);
    using _context = context;
    const after = await cudaDevice(index, { memory: true });

    const ran = this.#job.run === null ? null : await this.#run(device, engine, context, this.#job.run);
    this.#enter("write");
    const written = given === null ? 0 : await this.#keepKernels(context);
    this.#enter("write");
    return {
      outcome: "loaded",
      timings_ms: {
        open: this.#time("open"),
        ...this.#times.has("self-check") ? { self_check: this.#time("self-check") } : {},
        read: this.#time("read"),
        deserialize: this.#time("deserialize"),
        context: this.#time("context"),
        ...ran === null ? {} : { first_run: rounded(ran.firstRunMs) },
        ...(ran?.runMs ?? null) === null ? {} : { run: rounded(ran!.runMs!) },
      },
      tensors: engine.tensors().map(({ name, mode, type, dims }) => ({
        name,
        mode: mode === Mode.INPUT ? "input" as const : "output" as const,
        type: ElementType[type] ?? String(type),
        dims,
      })),
      memory: {
        engine_bytes: engine.facts().device_memory,
        free_before: gpu.memory_free,
        free_after: after.memory_free,
      },
      runtime_cache: given === null ? null : { given_bytes: given, accepted, written_bytes: written },
      outputs: ran?.outputs ?? [],
      library: [facts.major, facts.minor, facts.patch, ...facts.build > 0 ? [facts.build] : []].join("."),
      gpu: { name: gpu.name, compute_capability: `${gpu.compute_major}.${gpu.compute_minor}` },
      remarks: this.#remarks,
    };
  }

  #run(device: Device, engine: Engine, context: ExecutionContext, run: NonNullable<LoadJob["run"]>) {
    this.#enter("run");
    return runEngine({ device, engine, context }, run, { cancelled: () => this.#cancelled });
  }

  /** `given` is null where there is no runtime cache. */
  async #context(engine: Engine, { product }: LibraryFacts): Promise<{
    context: ExecutionContext;
    given: number | null;
    accepted: boolean;
  }> {
    const files = this.#job.runtimeCache;
    if (files === null || product !== Product.TENSORRT_RTX) {
      return { context: await engine.createContext(), given: null, accepted: false };
    }
    const kernels = await this.#kernelsOf(files.read);
    this.#enter("context");
    if (kernels.length > 0) {
      try {
        const context = await engine.createContext({ runtimeCache: kernels });
        return { context, given: kernels.length, accepted: true };
      } catch (error) {
        if (!(error instanceof ShimError) || error.statusName !== "REFUSED") throw error;
        this.#remarks.push(`The cache of compiled kernels is begun anew: ${error.message}`);
      }
    }
    const context = await engine.createContext({ runtimeCache: new Uint8Array(0) });
    return { context, given: kernels.length, accepted: false };
  }

  /** Empty when there are none to be used. */
  async #kernelsOf(file: { path: string; sha256: string | null } | null): Promise<Uint8Array<ArrayBuffer>> {
    if (file === null) return new Uint8Array(0);
    const anew = (reason: string) => {
      this.#remarks.push(`The cache of compiled kernels is begun anew: ${reason}`);
      return new Uint8Array(0);
    };
    let bytes;
    try {
      bytes = await Deno.readFile(file.path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return new Uint8Array(0);
      return anew(`Cannot read "${file.path}": ${error instanceof Error ? error.message : error}`);
    }
    return file.sha256 === null || digestOf(bytes) === file.sha256
      ? bytes
      : anew(`The SHA-256 of "${file.path}" is another`);
  }

  /** @returns bytes written */
  async #keepKernels(context: ExecutionContext): Promise<number> {
    const path = this.#job.runtimeCache?.write ?? null;
    if (path === null) return 0;
    try {
      using kernels = context.saveRuntimeCache();
      await kernels.writeFile(path);
      return kernels.size;
    } catch (error) {
      if (!(error instanceof ShimError)) throw error;
      this.#remarks.push(`The cache of compiled kernels was not kept: ${error.message}`);
      return 0;
    }
  }

  /** Time spent in a stage that is entered again adds up. */
  #enter(stage: LoadStage): void {
    const now = performance.now();
    if (this.#stage !== "start") {
      this.#times.set(this.#stage, (this.#times.get(this.#stage) ?? 0) + now - this.#stageBegan);
    }
    if (stage !== this.#stage) this.#say({ event: "stage", stage });
    this.#stage = stage;
    this.#stageBegan = now;
  }

  #time(stage: LoadStage): number {
    return rounded(this.#times.get(stage) ?? 0);
  }
}

const rounded = (ms: number): number => Math.round(ms * 1000) / 1000;

const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

function statusOf(thrown: unknown): string {
  if (thrown instanceof ShimError) return thrown.statusName;
  if (thrown instanceof LoadJobError) return thrown.status;
  return thrown instanceof ShimLoadError ? "LIBRARY_NOT_LOADED" : "INTERNAL";
}
