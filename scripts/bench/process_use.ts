/** What processes use of the processor, by `/proc` (proc(5)), and the GPU by nvidia-smi. Linux only. */

/** Clock ticks of a second: 100 on every architecture that Deno runs on. */
const TICKS = 100;

export interface ProcessUse {
  readonly pid: number;
  /** Cores that all its threads used, on the average. */
  readonly cores: number;
  /** The same of its main thread alone, which runs JavaScript: near 1 it can do no more. */
  readonly mainThread: number;
}

/** User and system time of a `stat` file of `/proc`, in milliseconds. The name in it may have spaces and brackets. */
export function cpuMsFrom(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return 1000 / TICKS * (Number(fields[11]) + Number(fields[12]));
}

interface Times {
  readonly all: number;
  readonly main: number;
}

/** Measures processes from its making to {@link ProcessWatch.end}. */
export class ProcessWatch {
  readonly #begunMs = performance.now();
  readonly #begun: ReadonlyMap<number, Times>;

  constructor(pids: readonly number[]) {
    this.#begun = new Map(pids.map((pid) => [pid, timesOf(pid)]));
  }

  /** @throws {Deno.errors.NotFound} when a process is gone */
  end(): ProcessUse[] {
    const wallMs = performance.now() - this.#begunMs;
    return [...this.#begun].map(([pid, begun]) => {
      const now = timesOf(pid);
      return { pid, cores: (now.all - begun.all) / wallMs, mainThread: (now.main - begun.main) / wallMs };
    });
  }
}

function timesOf(pid: number): Times {
  const read = (path: string) => cpuMsFrom(Deno.readTextFileSync(`/proc/${pid}/${path}`));
  return { all: read("stat"), main: read(`task/${pid}/stat`) };
}

/** Processes that a process started and that are alive. */
export function childrenOf(parent: number): number[] {
  return [...Deno.readDirSync("/proc")].flatMap(({ name }) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = Deno.readTextFileSync(`/proc/${name}/stat`);
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return Number(fields[1]) === parent && fields[0] !== "Z" ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

/** Means over a while; null where nvidia-smi does not say. */
export interface GpuUse {
  /** Percent of the time in which a kernel ran. */
  readonly gpu: number | null;
  /** Percent of the time in which its memory was read or written. */
  readonly memory: number | null;
  readonly watts: number | null;
}

const QUERY = "utilization.gpu,utilization.memory,power.draw";

/** Means of lines that nvidia-smi printed without units. */
export function gpuUseFrom(csv: string): GpuUse {
  const rows = csv.trim().split("\n").filter((line) => line.includes(","))
    .map((line) => line.split(",").map((word) => Number.parseFloat(word)));
  const mean = (column: number) => {
    const values = rows.map((row) => row[column]!).filter((value) => Number.isFinite(value));
    return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  return { gpu: mean(0), memory: mean(1), watts: mean(2) };
}

/** Asks nvidia-smi four times a second until {@link GpuWatch.end}; without it nothing is known. */
export class GpuWatch {
  readonly #child: Deno.ChildProcess | null;

  constructor() {
    const args = [`--query-gpu=${QUERY}`, "--format=csv,noheader,nounits", "-lms", "250"];
    try {
      this.#child = new Deno.Command("nvidia-smi", { args, stdin: "null", stdout: "piped", stderr: "null" }).spawn();
    } catch {
      this.#child = null;
    }
  }

  async end(): Promise<GpuUse> {
    if (this.#child === null) return gpuUseFrom("");
    try {
      this.#child.kill("SIGTERM");
    } catch {
      // It has ended by itself.
    }
    const { stdout } = await this.#child.output();
    return gpuUseFrom(new TextDecoder().decode(stdout));
  }
}
