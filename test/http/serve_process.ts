/** `trtd serve` as a process of its own, with a tiny real model. */
import { join } from "node:path";
import { thisProgram } from "../../src/serving/worker/worker_command.ts";
import { tinyYolo } from "../onnx/build_model.ts";

/** Labels of the tiny model. */
export const TINY_LABELS = ["qr_code", "aztec"] as const;

/** Write the tiny model, which finds one `qr_code` in the middle of any picture. @returns its path */
export function writeTinyModel(folder: string, name = "tiny"): string {
  const path = join(folder, `${name}.onnx`);
  const rows = [{ box: [32, 32, 20, 10] as const, scores: [0.9, 0.1] }];
  Deno.writeFileSync(path, tinyYolo(rows, { labels: TINY_LABELS }));
  return path;
}

export interface ServeProcess extends AsyncDisposable {
  readonly child: Deno.ChildProcess;
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly enforcesTimeouts: boolean;
  /** Everything on standard error so far. */
  stderr(): string;
  /** Wait until standard error has such text: it may come after what it tells of. @throws {Error} after 5 seconds */
  says(pattern: RegExp): Promise<void>;
  /** Poll `/health/ready` until it is 200. */
  ready(): Promise<void>;
  /** Process ids of the workers. */
  workers(): number[];
}

/** Start it from the source, or from a compiled file. @param env added to the environment */
export async function startServe(
  flags: readonly string[],
  compiled?: string,
  env: Readonly<Record<string, string>> = {},
): Promise<ServeProcess> {
  const { execPath, mainUrl } = thisProgram();
  const before = compiled === undefined ? ["run", "--quiet", "--allow-all", mainUrl] : [];
  const child = new Deno.Command(compiled ?? execPath, {
    args: [...before, "serve", "--json", "--port", "0", "--log-level", "warning", ...flags],
    env: { ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let errors = "";
  const reading = child.stderr.pipeThrough(new TextDecoderStream()).pipeTo(
    new WritableStream({ write: (text) => void (errors += text) }),
  );
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await lines.read();
    if (done) break;
    text += value;
  }
  await lines.cancel();
  if (!text.includes("\n")) {
    await reading;
    const { code } = await child.status;
    throw new ServeFailed(code, errors);
  }
  const { url, host, port, enforces_timeouts } = JSON.parse(text);
  return {
    child,
    url,
    host,
    port,
    enforcesTimeouts: enforces_timeouts,
    stderr: () => errors,
    async says(pattern) {
      for (let i = 0; i < 500 && !pattern.test(errors); i++) await new Promise((resolve) => setTimeout(resolve, 10));
      if (!pattern.test(errors)) throw new Error(`Nothing on standard error is like ${pattern}: ${errors}`);
    },
    async ready() {
      for (let i = 0; i < 600; i++) {
        const response = await fetch(`${url}/health/ready`);
        await response.body?.cancel();
        if (response.status === 200) return;
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
      throw new Error(`The server did not become ready: ${errors}`);
    },
    workers() {
      return Deno.readTextFileSync(`/proc/${child.pid}/task/${child.pid}/children`).split(" ").filter(Boolean).map(
        Number,
      );
    },
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch (error) {
        if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
      }
      await child.status;
      await reading;
    },
  };
}

/** The process ended before it listened. */
export class ServeFailed extends Error {
  constructor(readonly status: number, readonly stderr: string) {
    super(`trtd serve ended with ${status}: ${stderr}`);
  }
}

/** Whether a process is there and not a zombie. */
export function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
}
