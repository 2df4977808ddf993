/**
 * A program that takes a role of the server and then tries out what it can still do: prints a JSON of "yes" or the name
 * of the error for each attempt.
 *
 *     deno run --allow-all --no-prompt test/serving/permission_abilities.ts manager
 */
import { revokeFor, type Role } from "../../src/serving/permissions.ts";

const role = Deno.args[0] as Role;
const tried: Record<string, string> = {};
const attempt = async (name: string, body: () => unknown) => {
  try {
    await body();
    tried[name] = "yes";
  } catch (error) {
    tried[name] = (error as Error).name;
  }
};
/** glibc, under the name that every Linux with it has. */
const library = () => Deno.dlopen("libc.so.6", { getpid: { parameters: [], result: "i32" } });
const early = library();
const shared = "/dev/shm/trtd-permissions-" + Deno.pid;
const file = Deno.openSync(shared, { read: true, write: true, createNew: true });
const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const folder = Deno.makeTempDirSync();
const socket = `${folder}/s`;
const unix = Deno.listen({ transport: "unix", path: socket });
const [near, far] = await Promise.all([Deno.connect({ transport: "unix", path: socket }), unix.accept()]);
await revokeFor(role);
await revokeFor(role);
await attempt("library opened before", () => {
  if (early.symbols.getpid() !== Deno.pid) throw new Error("pid");
});
await attempt("library", () => library().close());
await attempt("descriptor of /dev/shm opened before", () => {
  file.writeSync(new Uint8Array([1, 2, 3]));
  file.seekSync(0, Deno.SeekMode.Start);
  if (file.readSync(new Uint8Array(3)) !== 3) throw new Error("read");
});
await attempt("/dev/shm", () => Deno.openSync(shared + "2", { write: true, create: true }).close());
await attempt("/proc", () => Deno.readTextFileSync("/proc/self/statm"));
await attempt("/sys", () => Deno.readTextFileSync("/sys/devices/system/cpu/online"));
await attempt("removing from /dev/shm", () => Deno.removeSync(shared));
await attempt("channel opened before", async () => {
  await near.write(new Uint8Array([7]));
  if (await far.read(new Uint8Array(1)) !== 1) throw new Error("read");
});
await attempt("listening", () => Deno.listen({ hostname: "127.0.0.1", port: 0 }).close());
await attempt(
  "connecting",
  async () => (await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port })).close(),
);
await attempt("starting a process", async () => {
  await new Deno.Command("true").output();
});
await attempt("own memory", () => {
  if (!(Deno.memoryUsage().rss > 0)) throw new Error("rss");
});
await attempt("ordinary files", () => Deno.removeSync(Deno.makeTempFileSync()));
await attempt("environment", () => Deno.env.toObject());
Deno.removeSync(folder, { recursive: true });
console.log(JSON.stringify(tried));
Deno.exit(0);
