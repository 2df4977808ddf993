/** Scenarios run in child processes: one TensorRT a process, and a crash is only an exit status. */

import { join } from "node:path";
import { buildShim } from "../../scripts/build_shim.ts";

const HERE = import.meta.dirname!;

/** What the build made. */
export interface Built {
  readonly shim: string;
  readonly fakes: string;
}

const built = await buildShim({ fakes: true });

/** Why native tests cannot run here, undefined when they can. */
export const skipReason: string | undefined = built.status === "missing" ? built.reason : undefined;

/** libtrtd and the folder of the fakes. @throws {Error} when they cannot be built here */
export function shimAndFakes(): Built {
  if (built.status === "missing" || built.fakes === null) throw new Error(skipReason);
  return { shim: built.library, fakes: built.fakes };
}

/** Registers a test that needs the shim, or says in its name why it is skipped. */
export function nativeTest(name: string, body: () => Promise<void>): void {
  if (skipReason === undefined) Deno.test(name, body);
  else Deno.test({ name: `${name} (skipped: ${skipReason})`, ignore: true, fn: body });
}

/** Options of a child. */
export interface ChildOptions {
  /** Added to the environment. */
  env?: Record<string, string>;
  /** Permission flags instead of all. */
  permissions?: readonly string[];
  /** Milliseconds after which the child is killed. @default 180000 */
  timeoutMs?: number;
  /** Asked again and again: once it is true the child is killed. @default never */
  killWhen?: () => Promise<boolean>;
}

/** How a child ended. */
export interface ChildEnd {
  readonly code: number;
  readonly signal: string | null;
  readonly timedOut: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Devices for the fake driver. */
export const GPUS = "NVIDIA Fake 4090:8.9:24564;NVIDIA Fake 5090:12.0:32768";

/** Runs `scenarios.ts NAME ARGUMENT` to its end. */
export async function runChild(scenario: string, argument: unknown, options: ChildOptions = {}): Promise<ChildEnd> {
  const { env = {}, permissions = ["-A"], timeoutMs = 180_000, killWhen } = options;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", ...permissions, join(HERE, "scenarios.ts"), scenario, JSON.stringify(argument)],
    env: { TRTD_SHIM: shimAndFakes().shim, TRTD_FAKE_GPUS: GPUS, TRTD_FAKE: "", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill("SIGKILL");
  }, timeoutMs);
  let ended = false;
  const output = child.output();
  void output.then(() => ended = true);
  while (killWhen !== undefined && !ended) {
    if (await killWhen() && !ended) {
      child.kill("SIGKILL");
      break;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { code, signal, stdout, stderr } = await output;
  clearTimeout(timer);
  const decoder = new TextDecoder();
  return { code, signal, timedOut, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Runs a scenario that must end well and answers what it printed. */
export async function scenario<T>(name: string, argument: unknown, options: ChildOptions = {}): Promise<T> {
  const end = await runChild(name, argument, options);
  if (end.code !== 0) throw new Error(`Scenario "${name}" ended with ${end.signal ?? end.code}: ${end.stderr}`);
  return JSON.parse(end.stdout) as T;
}

/** Files of a fake set, such as `10.16` or `rtx-1.6`. */
export interface FakeSet {
  readonly core: string;
  readonly parser: string;
  readonly plugins: string | null;
  readonly cuda: string;
}

/** The files of a fake set. @throws {Error} when the fakes cannot be built here */
export function fakeSet(name: string): FakeSet {
  return fakeSetIn(shimAndFakes().fakes, name);
}

/** {@link fakeSet} of another build. */
export function fakeSetIn(fakes: string, name: string): FakeSet {
  const folder = join(fakes, name);
  const rtx = name.startsWith("rtx");
  const major = rtx ? 1 : name === "liar" ? 11 : Number.parseInt(name);
  return {
    core: join(folder, rtx ? "libtensorrt_rtx.so.1" : `libnvinfer.so.${major}`),
    parser: join(folder, rtx ? "libtensorrt_onnxparser_rtx.so.1" : `libnvonnxparser.so.${major}`),
    plugins: rtx ? null : join(folder, `libnvinfer_plugin.so.${major}`),
    cuda: join(fakes, "cuda", "libcuda.so.1"),
  };
}
