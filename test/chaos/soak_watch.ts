/** A server that is soaked, seen from outside. */
import assert from "node:assert/strict";
import { isAlive } from "../server/process.ts";
import type { ServeProcess } from "../server/serve_process.ts";
import { quantile } from "./load.ts";
import { type Look, ownMemoryKb, windowsOf } from "./soak_memory.ts";

/** One lives as long as the server, the other is killed again and again. */
export const WORKERS = 2;

/** Looks at the processes of a server that has {@link WORKERS} workers. */
export class Watch {
  readonly looks: Look[] = [];
  /** Whether it is being asked: only then is memory compared. */
  asked = false;
  readonly #server: ServeProcess;
  readonly #ms: number;
  readonly #beganMs = performance.now();
  readonly #counted: { readonly part: number; readonly descriptors: number }[] = [];
  readonly #seen = new Set<number>();
  #lasting = 0;

  constructor(server: ServeProcess, ms: number) {
    this.#server = server;
    this.#ms = ms;
  }

  /** Part of the run that is over. */
  get part(): number {
    return (performance.now() - this.#beganMs) / this.#ms;
  }

  /** The worker that may be killed; undefined while it is being started again. */
  get mortal(): number | undefined {
    return this.#server.workers.find((pid) => pid !== this.#lasting);
  }

  /** Workers that are there although the server is gone. */
  get survivors(): number[] {
    return [...this.#seen].filter(isAlive);
  }

  /** Descriptors at the beginning and at the end, the median of each. */
  get descriptors(): number[] {
    return windowsOf(this.#counted).map((window) => quantile(window.map(({ descriptors }) => descriptors), 0.5));
  }

  /** Wait until every worker is ready. @throws {Error} when the one that nobody killed has ended, or one is too many */
  async allReady(): Promise<void> {
    await this.#server.until("ready with all workers", async () => {
      const { workers } = (await this.#server.get("/health/ready")).body as { workers?: Record<string, number> };
      return workers !== undefined && workers["ready"] === workers["total"];
    });
    const { workers } = this.#server;
    for (const pid of workers) this.#seen.add(pid);
    assert.ok(workers.length <= WORKERS, `${workers.length} workers instead of ${WORKERS}`);
    this.#lasting ||= workers[0]!;
    assert.ok(workers.includes(this.#lasting), `The worker that nobody killed has ended: ${this.#server.stderr}`);
  }

  /** Take a sample of memory; nothing while the server is not asked, or when a process has just ended. */
  look(): void {
    if (!this.asked) return;
    const { pid, workers } = this.#server;
    const all = [pid, ...workers].map(ownMemoryKb);
    const workerKb = ownMemoryKb(this.#lasting);
    if (workerKb === null || all.includes(null)) return;
    const allKb = (all as number[]).reduce((sum, kb) => sum + kb, 0);
    this.looks.push({ part: this.part, managerKb: all[0]!, workerKb, allKb });
  }

  /** Of the processes that live as long as the run. */
  countDescriptors(): void {
    const descriptors = [this.#server.pid, this.#lasting]
      .reduce((sum, pid) => sum + [...Deno.readDirSync(`/proc/${pid}/fd`)].length, 0);
    this.#counted.push({ part: this.part, descriptors });
  }
}
