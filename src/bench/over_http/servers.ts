/** The two services under test as child processes. */
import { variableOf } from "../../config/settings.ts";
import { TrtdError } from "../../errors.ts";
import { thisProgram } from "../../serving/worker/worker_command.ts";
import { type Address, getBytes, HttpConnection } from "./http_client.ts";

/** A service that answers, to be stopped by whoever started it. */
export interface RunningServer extends AsyncDisposable {
  readonly address: Address;
  /** From the start of the process to its first answer of /health/live. */
  readonly startMs: number;
  readonly pid: number;
  /** The end of what it wrote when it has ended, null while it lives. */
  lastWords(): string | null;
}

/** How a service is started. */
export interface ServerCommand {
  readonly name: string;
  readonly path: string;
  readonly args: readonly string[];
  /** Key that the service asks for, given to it by `TRTD_API_KEY`: other users can read command lines. @default none */
  readonly apiKey?: string;
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
 * @param options.signal ends the service too
 * @throws {TrtdError} `INTERNAL` with what it wrote when it ends first or is not live in a minute
 */
export async function startServer(
  command: ServerCommand,
  port: number,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<RunningServer> {
  signal?.throwIfAborted();
  const { apiKey } = command;
  const address: Address = { hostname: "127.0.0.1", port, ...apiKey === undefined ? {} : { apiKey } };
  const start = performance.now();
  const child = new Deno.Command(command.path, {
    args: [...command.args],
    ...apiKey === undefined ? {} : { env: { [variableOf("api_key")]: apiKey } },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const said = textTail(child.stderr);
  let ended = false;
  const status = child.status.then((value) => (ended = true, value));
  const end = () => ended || child.kill("SIGTERM");
  signal?.addEventListener("abort", end, { once: true });
  const stop = async () => {
    signal?.removeEventListener("abort", end);
    end();
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
  const lastWords = () => ended ? said.text() : null;
  return { address, startMs: performance.now() - start, pid: child.pid, lastWords, [Symbol.asyncDispose]: stop };
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

/** Wait until the service can detect. @throws {TrtdError} `INTERNAL` when it ends, and after a minute */
export async function waitReady(server: RunningServer, path: string): Promise<void> {
  const end = performance.now() + 60_000;
  while (!await isUp(server.address, path)) {
    const words = server.lastWords();
    if (words !== null) throw new TrtdError("INTERNAL", `The server ended before it was ready: ${words}`);
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
