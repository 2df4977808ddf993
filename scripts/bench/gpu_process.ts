/** A child process with a time limit, and when it first said something. */

export interface ProcessOptions {
  /** Seconds after which it is killed. */
  readonly limitS: number;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface ProcessEnd {
  /** Standard output. */
  readonly out: string;
  /** From the start to the first bytes of standard output, in milliseconds. */
  readonly firstOutputMs: number;
}

/** Runs a command to its end. @throws {Error} with the end of what it said when it fails, is late or says nothing */
export async function runProcess(command: readonly string[], { limitS, env }: ProcessOptions): Promise<ProcessEnd> {
  const [path = "", ...args] = command;
  const begun = performance.now();
  const child = new Deno.Command(path, {
    args,
    ...env === undefined ? {} : { env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
    // What it started may hold the pipe open.
    reader.cancel().catch(() => {});
  }, limitS * 1000);
  let said = "";
  const listening = (async () => {
    for await (const part of child.stderr.pipeThrough(new TextDecoderStream())) said = (said + part).slice(-3000);
  })();
  let out = "", firstOutputMs = NaN;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    if (Number.isNaN(firstOutputMs)) firstOutputMs = performance.now() - begun;
    out += part.value;
  }
  const { code } = await child.status;
  clearTimeout(timer);
  const tail = () => {
    const text = said.trim().slice(-600);
    return text === "" ? "" : `: ${text}`;
  };
  if (late) {
    let patience: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([listening, new Promise((resolve) => patience = setTimeout(resolve, 1000))]);
    clearTimeout(patience);
    throw new Error(`It was not done in ${Math.round(limitS)} s${tail()}`);
  }
  await listening;
  if (code !== 0) throw new Error(`It ended with status ${code}${tail()}`);
  if (Number.isNaN(firstOutputMs)) throw new Error(`It said nothing${tail()}`);
  return { out, firstOutputMs };
}
