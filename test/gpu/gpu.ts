/** What tests on a GPU share: whether there is one, and child processes, since a process has one TensorRT and one fault. */
import { delimiter, join } from "node:path";
import { buildShim } from "../../scripts/build_shim.ts";

/** How many GPUs there are, or why there is none. */
function gpusHere(): number | string {
  const functions = {
    cuInit: { parameters: ["u32"], result: "i32" },
    cuDeviceGetCount: { parameters: ["buffer"], result: "i32" },
  } as const;
  for (const name of ["libcuda.so.1", "libcuda.so"]) {
    try {
      const { symbols } = Deno.dlopen(name, functions);
      const result = symbols.cuInit(0), count = new Int32Array(1);
      if (result !== 0) return `cuInit gave ${result}`;
      return symbols.cuDeviceGetCount(count) === 0 && count[0]! > 0 ? count[0]! : "the driver shows no GPU";
    } catch {
      // The next name, or none.
    }
  }
  return "there is no CUDA driver";
}

const here = gpusHere();
const missing = typeof here === "string" ? here : null;

export const gpuCount: number = typeof here === "string" ? 0 : here;

const given = Deno.env.get("TRTD_SHIM");
const built = missing !== null || given !== undefined ? null : await buildShim();

/** Why tests on a GPU cannot run here, null when they can. */
export const skipReason: string | null = missing ?? (built?.status === "missing" ? built.reason : null);

/** libtrtd: that of the environment, or the one that was built. */
export function shim(): string {
  if (given !== undefined) return given;
  if (built === null || built.status === "missing") throw new Error(skipReason ?? "libtrtd was not built");
  return built.library;
}

/** Why compute-sanitizer cannot run here, null when it can. */
export async function sanitizerMissing(): Promise<string | null> {
  if (skipReason !== null) return skipReason;
  try {
    const { success } = await new Deno.Command("compute-sanitizer", { args: ["--version"], stdout: "null" }).output();
    return success ? null : "compute-sanitizer does not start";
  } catch {
    return "there is no compute-sanitizer";
  }
}

/**
 * Registers a test that needs a GPU, or says in its name why it is skipped.
 * @param reason why it cannot run here, null when it can @default {@link skipReason}
 */
export function gpuTest(
  name: string,
  body: (t: Deno.TestContext) => Promise<void>,
  reason: string | null = skipReason,
): void {
  if (reason === null) Deno.test(name, body);
  else Deno.test({ name: `${name} (skipped: ${reason})`, ignore: true, fn: () => {} });
}

/** Folders of the TensorRTs to test, by the environment variable TRTD_TEST_TENSORRT. */
export const tensorRts: readonly string[] = (Deno.env.get("TRTD_TEST_TENSORRT") ?? "")
  .split(delimiter)
  .filter((folder) => folder !== "");

export interface ScenarioOptions {
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds after which the child is ended. @default 120000 */
  readonly timeoutMs?: number;
  /** A program in front of Deno with its arguments. @default none */
  readonly under?: readonly string[];
}

export interface ScenarioEnd {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a script of this folder with one JSON argument to its end. */
export async function runScenario(
  script: string,
  argument: unknown,
  options: ScenarioOptions = {},
): Promise<ScenarioEnd> {
  const { env = {}, timeoutMs = 120_000, under = [] } = options;
  const [program, ...args] = [
    ...under,
    Deno.execPath(),
    ...["run", "-A", "--no-check", "--cached-only", join(import.meta.dirname!, script), JSON.stringify(argument)],
  ];
  const { code, stdout, stderr } = await new Deno.Command(program!, {
    args,
    env: { TRTD_SHIM: shim(), NO_COLOR: "1", ...env },
    signal: AbortSignal.timeout(timeoutMs),
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** {@link runScenario} that must end well. @returns what it printed, parsed */
export async function scenario<T>(script: string, argument: unknown, options: ScenarioOptions = {}): Promise<T> {
  const { code, stdout, stderr } = await runScenario(script, argument, options);
  if (code !== 0) throw new Error(`"${script}" ended with ${code}:\n${stderr.slice(-3000)}\n${stdout.slice(-500)}`);
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as T;
}
