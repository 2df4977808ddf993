/** Finds a Deno command line and the matching `denort`, the runtime that `deno compile` puts in front of the code. */
import { resolve } from "node:path";

export type Arch = "x86_64" | "aarch64";

/** What compiles. */
export interface Toolchain {
  /** Path of the Deno executable that runs `deno compile`. */
  readonly deno: string;
  /** Path of `denort` for the target; null when `deno compile` downloads it by itself. */
  readonly denort: string | null;
  /** Where the two come from, for the log. */
  readonly origin: string;
}

/** Deno's own host, from which `deno compile` takes `denort`. */
const DENO_HOST = "https://dl.deno.land/release-latest.txt";

/**
 * The toolchain for `arch`: `DENORT_BIN` (with `DENO26`, the Deno that matches it, when that is another than this one),
 * else this Deno when its host answers, else what `../shared/tools/denort` beside the repository provides.
 * @param root the repository's folder
 * @param hostAnswers whether Deno's host can be reached from here
 * @throws {Error} when there is none, with all three ways in the message
 */
export async function findToolchain(
  arch: Arch,
  root: string,
  hostAnswers: () => Promise<boolean> = () => answers(DENO_HOST),
): Promise<Toolchain> {
  const given = Deno.env.get("DENORT_BIN");
  if (given) return { deno: Deno.env.get("DENO26") ?? Deno.execPath(), denort: given, origin: "DENORT_BIN" };
  if (await hostAnswers()) return { deno: Deno.execPath(), denort: null, origin: "Deno's own host" };
  const tool = resolve(root, "../shared/tools/denort");
  if (await isFile(tool)) return await fromTool(tool, arch);
  throw new Error(
    `No "denort" for ${arch}: ${new URL(DENO_HOST).host} does not answer, "${tool}" does not exist and DENORT_BIN is ` +
      "not set. Set DENORT_BIN to a denort of the target and DENO26 to the Deno of the same version",
  );
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then((info) => info.isFile, () => false);
}

/** The tool prints `export NAME="value"` lines for a shell. */
async function fromTool(tool: string, arch: Arch): Promise<Toolchain> {
  const { success, stdout } = await new Deno.Command(tool, { args: ["--arch", arch], stderr: "inherit" }).output();
  if (!success) throw new Error(`"${tool} --arch ${arch}" failed`);
  const text = new TextDecoder().decode(stdout);
  const value = (name: string) => {
    const found = new RegExp(`^export ${name}="([^"]+)"$`, "m").exec(text)?.[1];
    if (found === undefined) throw new Error(`"${tool}" did not print ${name}`);
    return found;
  };
  return { deno: value("DENO26"), denort: value("DENORT_BIN"), origin: tool };
}
