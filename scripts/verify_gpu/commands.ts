/** Runs trtd as a user does. */
import { join, resolve } from "node:path";
import type { Bench } from "./bench.ts";
import type { Precision } from "../../src/verify/limits.ts";

const ROOT = resolve(import.meta.dirname!, "../..");

export interface Answer {
  readonly json: Readonly<Record<string, unknown>> | null;
  readonly code: number;
  /** The end of standard error. */
  readonly said: string;
  readonly ms: number;
}

export interface BuildWish {
  readonly precision: Precision;
  readonly force?: boolean;
}

/** `trtd build-engine` of the model, with the bench's TensorRT. */
export function buildEngine(
  { folder, reference, probe, gpu }: Bench,
  { precision, force = false }: BuildWish,
): Promise<Answer> {
  return trtd([
    ...["build-engine", reference.model.path, "--json", "--precision", precision, "--batch", "1"],
    ...["--models", join(folder, "models"), "--tensorrt", probe.found.path, "--device", String(gpu.index)],
    ...force ? ["--force"] : [],
  ]);
}

export async function trtd(args: readonly string[]): Promise<Answer> {
  const begun = performance.now();
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", "--cached-only", join(ROOT, "src/main.ts"), ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1", INIT_CWD: ROOT },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  const said = decoder.decode(stderr).trim().slice(-2000);
  let json = null;
  try {
    json = JSON.parse(decoder.decode(stdout));
  } catch {
    // what it said instead is told
  }
  return { json, code, said, ms: Math.round(performance.now() - begun) };
}
