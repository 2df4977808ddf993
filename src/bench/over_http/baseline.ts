/** The Python service of scripts/bench: its environment and how it is started. */
import { join } from "node:path";
import { TrtdError } from "../../errors.ts";
import type { ServerCommand } from "./servers.ts";

const ROOT = join(import.meta.dirname!, "..", "..", "..");
const FOLDER = join(ROOT, "scripts", "bench");
const VENV = join(ROOT, ".venv", "bench");
const PYTHON = join(VENV, "bin", "python");

/**
 * Make `.venv/bench` with what requirements.txt pins, once; later calls only compare.
 * @param note told before something slow begins
 * @returns the reason why there is no baseline, null when it is there
 */
export async function prepareBaseline(note: (text: string) => void): Promise<string | null> {
  const requirements = join(FOLDER, "requirements.txt");
  const wanted = await Deno.readTextFile(requirements).catch(() => null);
  if (wanted === null) return "scripts/bench is not beside this program";
  const stamp = join(VENV, "requirements.txt");
  if (await Deno.readTextFile(stamp).catch(() => null) === wanted) return null;
  note("making .venv/bench with the baseline's Python packages ...");
  try {
    await command("python3", ["-m", "venv", "--clear", VENV]);
    await command(PYTHON, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements]);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  await Deno.writeTextFile(stamp, wanted);
  return null;
}

/** The baseline at `port`; call {@link prepareBaseline} first. */
export function baselineServer(port: number, model: string, flags: Readonly<Record<string, number>>): ServerCommand {
  const args = Object.entries({ port, ...flags }).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return { name: "baseline", path: PYTHON, args: [join(FOLDER, "baseline_server.py"), model, ...args] };
}

async function command(path: string, args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(path, { args, stdin: "null", stdout: "null", stderr: "piped" })
    .output().catch((error: Error) => {
      throw new TrtdError("FILE_NOT_FOUND", `Cannot start "${path}": ${error.message}`);
    });
  if (success) return;
  const said = new TextDecoder().decode(stderr).trim().slice(-400);
  throw new TrtdError("INTERNAL", `"${[path, ...args].join(" ")}" failed: ${said}`);
}
