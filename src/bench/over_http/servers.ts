/** The two services under test as child processes. */
import { TrtdError } from "../../errors.ts";
import { thisProgram } from "../../serving/worker/worker_command.ts";
import { type Address, getBytes, HttpConnection } from "./http_client.ts";

/** A service that answers, to be stopped by whoever started it. */
export interface RunningServer extends AsyncDisposable {
  readonly address: Address;
  /** From the start of the process to its first answer of /health/live. */
  readonly startMs: number;
  readonly pid: number;
}

/** How a service is started. */
export interface ServerCommand {
  readonly name: string;
  readonly path: string;
  readonly args: readonly string[];
}

/** A port that nobody listens at now. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/**
 * `trtd serve` at `port`: the source when this is Deno, else the compiled file that runs now.
 * @param args more flags for `serve`
 */
export function trtdServer(port: number, args: readonly string[]): ServerCommand {
  const program = thisProgram();
  if (program.standalone) return compiledTrtd(program.execPath, port, args);
  return {
    name: "trtd",
    path: program.execPath,
    args: ["run", "--quiet", "--no-prompt", "--allow-all", program.mainUrl, ...serveAt(port), ...args],
  };
}

/** `serve` of the compiled file at `path`. */
export function compiledTrtd(path: string, port: number, args: readonly string[]): ServerCommand {
  return { name: "compiled trtd", path, args: [...serveAt(port), ...args] };
}

const serveAt = (port: number): string[] => [
  "serve",
  "--host",
  "127.0.0.1",
  "--port",
  String(port),
  "--log-level",
  "error",
];

/**
 * Start a service and wait until `GET /health/live` is answered 200.
 * @throws {TrtdError} `INTERNAL` with what it wrote when it ends first or is not live in a minute
 */
export async function startServer(command: ServerCommand, port: number): Promise<RunningServer> {
  const address = { hostname: "127.0.0.1", port };
  const start = performance.now();
  const child = new Deno.Command(command.path, {
    args: [...command.args],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const said = textTail(child.stderr);
  let ended = false;
  const status = child.status.then((value) => (ended = true, value));
  const stop = async () => {
    if (!ended) child.kill("SIGTERM");
    const timer = setTimeout(() => ended || child.kill("SIGKILL"), 5000);
    await status;
    clearTimeout(timer);
    await said.cancel();
  };
  try {
    while (!await isUp(address, "/health/live")) {
      if (ended || performance.now() - start > 60_000) {
        const how = ended ? "ended" : "is not live after a minute";
        throw new TrtdError("INTERNAL", `The ${command.name} server ${how}: ${said.text()}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { address, startMs: performance.now() - start, pid: child.pid, [Symbol.asyncDispose]: stop };
}

/** Reads a child's output as it comes and keeps the end of it; a grandchild may hold the pipe open, hence `cancel`. */
function textTail(stream: ReadableStream<Uint8Array>): { text(): string; cancel(): Promise<void> } {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let tail = "";
  const reading = (async () => {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      tail = (tail + part.value).slice(-2000);
    }
  })().catch(() => {});
  return { text: () => tail.trim(), cancel: async () => (await reader.cancel().catch(() => {}), await reading) };
}

/** Wait until the service can detect. @throws {TrtdError} `INTERNAL` after a minute */
export async function waitReady(server: RunningServer, path: string): Promise<void> {
  const end = performance.now() + 60_000;
  while (!await isUp(server.address, path)) {
    if (performance.now() > end) throw new TrtdError("INTERNAL", `${path} was not answered 200 within a minute`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function isUp(address: Address, path: string): Promise<boolean> {
  try {
    using connection = await HttpConnection.open(address);
    return (await connection.send(getBytes(path, address))).status === 200;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused || error instanceof Deno.errors.ConnectionReset) return false;
    throw error;
  }
}
