/**
 * A place that has nothing but the executable: an empty folder with an empty home, an empty temporary folder, few
 * environment variables, and, where this user may mount, no repository and no package cache either.
 */
import { join } from "node:path";
import type { Arch } from "../../scripts/compile_toolchain.ts";
import type { Program } from "../server/program.ts";
import { CANNOT_COMPILE, compiledFile, ROOT } from "./compiled_file.ts";

export interface Mount {
  readonly path: string;
  /** Options of a tmpfs, for example `ro` or `size=1m`. */
  readonly options: string;
}

export interface BoxOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Small file systems over folders of the box. */
  readonly mounts?: readonly Mount[];
  /** Run as a user who is not root. */
  readonly unprivileged?: boolean;
  /** Program and arguments before the executable, for example an emulator. */
  readonly launcher?: readonly string[];
  /** Shell commands in the private mount name space before the start. */
  readonly before?: string;
  readonly timeoutMs?: number;
}

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Longest life of one process of the executable, and of a server. */
const TIMEOUT_MS = 180_000, SERVER_TIMEOUT_MS = 600_000;

/** The user "nobody" of Debian and most others. */
const NOBODY = 65534;

/** How a private mount name space is made here; null when this user may not make one and mount in it. */
const UNSHARE = [["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]]
  .find((unshare) => works([...unshare, "mount", "-t", "tmpfs", "tmpfs", ROOT])) ?? null;

/** Why the tests that need a mount are skipped, empty when they are not. */
export const CANNOT_MOUNT = UNSHARE === null ? " (skipped: this user may not make a mount name space)" : "";

/** Why the tests that need a user other than root are skipped, empty when they are not. */
export const CANNOT_BECOME_NOBODY = Deno.uid() !== 0 || works(["setpriv", ...asNobody(), "true"])
  ? ""
  : " (skipped: root here, and setpriv does not work)";

/**
 * A test of the compiled file, in a box of its own.
 * @param skipped why it cannot run here, empty when it can
 */
export function boxTest(
  name: string,
  action: (box: Box, t: Deno.TestContext) => Promise<void>,
  { skipped = "", arch = Deno.build.arch }: { skipped?: string; arch?: Arch } = {},
): void {
  const reason = CANNOT_COMPILE || skipped;
  Deno.test({
    name: `compiled for ${arch}: ${name}${reason}`,
    ignore: reason !== "",
    fn: async (t) => {
      using box = new Box(await compiledFile(arch));
      await action(box, t);
    },
  });
}

export class Box implements Disposable {
  readonly folder: string;
  readonly file: string;
  readonly home: string;
  readonly temp: string;
  /** A folder that every user may write. */
  readonly out: string;
  /** Where the default cache folder is. */
  readonly cache: string;

  constructor(compiled: string) {
    this.folder = Deno.makeTempDirSync({ prefix: "trtd-box-" });
    Deno.chmodSync(this.folder, 0o755);
    this.file = join(this.folder, "trtd");
    this.home = join(this.folder, "home");
    this.temp = join(this.folder, "temp");
    this.cache = join(this.home, ".cache", "trtd");
    this.out = join(this.folder, "out");
    for (const folder of [this.home, this.temp, this.out]) Deno.mkdirSync(folder);
    Deno.chmodSync(this.out, 0o777);
    Deno.copyFileSync(compiled, this.file);
  }

  /** Run the executable to its end. */
  async run(args: readonly string[], options: BoxOptions = {}): Promise<Outcome> {
    const { code, stdout, stderr } = await this.#command(args, options).output();
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  }

  /** The executable as a server. */
  get program(): Program {
    return (args, { env = {}, openFiles }) =>
      this.spawn(args, {
        env,
        timeoutMs: SERVER_TIMEOUT_MS,
        ...(openFiles === undefined ? {} : { before: `ulimit -n ${openFiles}` }),
      });
  }

  /** Start the executable; its process id is the child's. */
  spawn(args: readonly string[], options: BoxOptions = {}): Deno.ChildProcess {
    return this.#command(args, options).spawn();
  }

  #command(args: readonly string[], options: BoxOptions): Deno.Command {
    const user = options.unprivileged && Deno.uid() === 0 ? ["setpriv", ...asNobody()] : [];
    const program = [...user, ...(options.launcher ?? []), this.file, ...args];
    // where a user who is not root makes a name space, that user is root within it
    const inside = UNSHARE !== null && !(options.unprivileged && Deno.uid() !== 0);
    const [path, ...rest] = inside ? [...UNSHARE, "sh", "-c", mounting(options), "sh", ...program] : program;
    return new Deno.Command(path!, {
      args: rest,
      cwd: this.folder,
      clearEnv: true,
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: this.home, TMPDIR: this.temp, ...options.env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal: AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS),
    });
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** Shell commands that hide the repository and Deno's cache, mount what is asked for and become the program. */
function mounting(options: BoxOptions): string {
  const hidden = [ROOT, denoCache()].filter((path) => path !== null).map((path) => ({ path, options: "ro" }));
  const mounts = [...hidden, ...(options.mounts ?? [])]
    .map(({ path, options }) => `mount -t tmpfs -o mode=0700,${options} tmpfs ${quoted(path)}`);
  return [...mounts, ...(options.before === undefined ? [] : [options.before]), 'exec "$@"'].join(" && ");
}

/** Deno's folder of downloaded packages, null when there is none. */
function denoCache(): string | null {
  const home = Deno.env.get("HOME");
  const path = Deno.env.get("DENO_DIR") ?? (home === undefined ? "" : join(home, ".cache", "deno"));
  return isFolder(path) ? path : null;
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function asNobody(): string[] {
  return [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
}

function works([path, ...args]: readonly string[]): boolean {
  try {
    return new Deno.Command(path!, { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}
