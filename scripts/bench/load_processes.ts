/** Load generators in processes of their own, started together, and what they found as one. */
import { join } from "node:path";
import { linesOf, type LoadReport, type LoadSpec, type Outcome } from "./load_generator.ts";

export interface Load {
  readonly outcomes: readonly Outcome[];
  readonly failures: Readonly<Record<string, number>>;
  readonly unsent: number;
  /** `Date.now()` at the end of the window. */
  readonly endedMs: number;
  readonly lateMs: readonly number[];
  /** Means of the answers' `Server-Timing` over all processes, in milliseconds by stage. */
  readonly stagesMs: Readonly<Record<string, number>>;
  /** Cores that the busiest generator used: near 1 it limits what is measured. */
  readonly busiestCores: number;
  /** Cores that all generators used together. */
  readonly cores: number;
}

export interface LoadOptions {
  /** Processes; clients, rate and connections are shared among them. @default 1 */
  readonly processes?: number;
  /** Told when the window begins, at the latest. */
  onStart?(): void;
}

/** Longest time for what is under way at the window's end. */
const PATIENCE_MS = 30_000;

/**
 * Send and count. Several specs go at the same time, each to its own server.
 * @throws {Error} when a generator ends early or is late
 */
export async function runLoad(specs: readonly LoadSpec[], { processes = 1, onStart }: LoadOptions = {}): Promise<Load> {
  const parts = specs.flatMap((spec) => partsOf(spec, processes));
  const generators = parts.map(startGenerator);
  const limitMs = Math.max(...specs.map(({ settleMs, forMs }) => settleMs + forMs)) + PATIENCE_MS;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`The load generators were not done in ${limitMs} ms`)), limitMs);
  });
  try {
    const running = (async () => {
      await Promise.all(generators.map(({ ready }) => ready));
      onStart?.();
      return await Promise.all(generators.map(({ run }) => run()));
    })();
    running.catch(() => {});
    return merged(await Promise.race([running, late]));
  } finally {
    clearTimeout(timer);
    await Promise.all(generators.map(({ stop }) => stop()));
  }
}

/** Requests a second in the window that were answered with `status`. */
export function rateOf({ outcomes }: Load, status: number, forMs: number): number {
  return 1000 / forMs * outcomes.reduce((sum, one) => one.status === status ? sum + one.share : sum, 0);
}

/** Clients, rate and connections in equal parts; with fewer clients than processes there are fewer processes. */
export function partsOf(spec: LoadSpec, processes: number): LoadSpec[] {
  const { traffic } = spec;
  if (traffic.kind === "open") {
    const { perSecond, connectionsMax } = traffic;
    const part = {
      ...traffic,
      perSecond: perSecond / processes,
      connectionsMax: Math.ceil(connectionsMax / processes),
    };
    return Array.from({ length: processes }, () => ({ ...spec, traffic: part }));
  }
  const share = (i: number) => Math.floor((traffic.clients + i) / processes);
  return Array.from({ length: processes }, (_, i) => ({ ...spec, traffic: { ...traffic, clients: share(i) } }))
    .filter(({ traffic: { clients } }) => clients > 0);
}

function startGenerator(spec: LoadSpec) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", "--no-check", "--cached-only", join(import.meta.dirname!, "load_generator.ts")],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let ended = false;
  const status = child.status.then(() => void (ended = true));
  const writer = child.stdin.getWriter();
  const lines = linesOf(child.stdout);
  const say = (line: string) => writer.write(new TextEncoder().encode(`${line}\n`));
  const next = async () => {
    const { value } = await lines.next();
    if (value === undefined) throw new Error("A load generator ended early");
    return value;
  };
  const ready = say(JSON.stringify(spec)).then(next);
  ready.catch(() => {});
  return {
    ready,
    run: async (): Promise<LoadReport> => {
      await say("go");
      return JSON.parse(await next());
    },
    stop: async () => {
      if (!ended) child.kill("SIGKILL");
      await status;
      await lines.return(undefined).catch(() => {});
      await writer.close().catch(() => {});
    },
  };
}

function merged(reports: readonly LoadReport[]): Load {
  const failures: Record<string, number> = {};
  for (const report of reports) {
    for (const [what, count] of Object.entries(report.failures)) failures[what] = (failures[what] ?? 0) + count;
  }
  const cores = reports.map(({ cpuMs, wallMs }) => cpuMs / wallMs);
  return {
    outcomes: reports.flatMap(({ outcomes }) => outcomes),
    failures,
    endedMs: Math.max(...reports.map(({ endedMs }) => endedMs)),
    unsent: reports.reduce((sum, { unsent }) => sum + unsent, 0),
    lateMs: reports.flatMap(({ lateMs }) => lateMs),
    stagesMs: meanStages(reports),
    busiestCores: Math.max(...cores),
    cores: cores.reduce((sum, one) => sum + one, 0),
  };
}

function meanStages(reports: readonly LoadReport[]): Record<string, number> {
  const names = new Set(reports.flatMap(({ stagesMs }) => Object.keys(stagesMs)));
  return Object.fromEntries([...names].map((name) => {
    const told = reports.map(({ stagesMs }) => stagesMs[name]).filter((ms) => ms !== undefined);
    return [name, told.reduce((sum, ms) => sum + ms, 0) / told.length];
  }));
}
