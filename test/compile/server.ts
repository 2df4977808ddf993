/** `trtd serve` of the compiled file, started in a box on a free port. */
import assert from "node:assert/strict";
import type { Box, BoxOptions } from "./box.ts";

export interface CompiledServer {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  /** Whether its runtime enforces header and idle timeouts. */
  readonly enforcesTimeouts: boolean;
  /** Milliseconds from the start of the process to its first line. */
  readonly announcedMs: number;
  /** Wait until `/health/ready` answers 200. */
  ready(): Promise<void>;
  /** End it with SIGTERM. @returns its exit status */
  stop(): Promise<number>;
}

/** Ids of the child processes of `pid`. */
export function childrenOf(pid: number): number[] {
  const children = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`);
  return children.trim().split(" ").filter((text) => text !== "").map(Number);
}

const READY_MS = 30_000;

/** Start it with `args` after `serve` and wait until it is ready. */
export async function startServer(
  box: Box,
  args: readonly string[] = [],
  options: BoxOptions = {},
): Promise<CompiledServer> {
  const started = performance.now();
  const child = box.spawn(["serve", "--port", "0", "--json", ...args], { timeoutMs: 300_000, ...options });
  const notes = new Response(child.stderr).text();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await lines.read();
    if (done) throw new Error(`serve ended: ${await notes}`);
    text += value;
  }
  const announcedMs = performance.now() - started;
  const { url, host, port, enforces_timeouts: enforcesTimeouts } = JSON.parse(text);
  const server: CompiledServer = {
    url,
    host,
    port,
    pid: child.pid,
    enforcesTimeouts,
    announcedMs,
    ready: () => untilReady(url, child),
    async stop() {
      child.kill("SIGTERM");
      await lines.cancel();
      await notes;
      return (await child.status).code;
    },
  };
  try {
    await server.ready();
  } catch (error) {
    await server.stop();
    throw new Error(`${(error as Error).message}: ${await notes}`);
  }
  return server;
}

async function untilReady(url: string, child: Deno.ChildProcess): Promise<void> {
  let ended = false;
  child.status.then(() => ended = true);
  for (const until = performance.now() + READY_MS; performance.now() < until && !ended;) {
    const response = await fetch(`${url}/health/ready`);
    await response.body?.cancel();
    if (response.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(ended ? "serve ended" : "serve did not become ready");
}
