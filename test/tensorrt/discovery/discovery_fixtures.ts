/** Machines made of small files. */
import { dirname, join } from "node:path";
import type { SearchSystem } from "../../../src/tensorrt/discovery/discovery_folders.ts";

/** An ELF header with one segment, as long as it says. */
export function elf(options: { machine?: number; type?: number; bits?: 1 | 2; size?: number } = {}): Uint8Array {
  const { machine = 62, type = 3, bits = 2, size = 4096 } = options;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, bits, 1, 1]);
  view.setUint16(16, type, true);
  view.setUint16(18, machine, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true);
  view.setBigUint64(72, 0n, true);
  view.setBigUint64(96, BigInt(size), true);
  return bytes;
}

/** `/etc/ld.so.cache` with these entries; `old` puts the table of glibc before 2.32 first. */
export function loaderCache(entries: readonly (readonly [name: string, path: string])[], old = false): Uint8Array {
  const encoder = new TextEncoder();
  const header = new Uint8Array(48 + entries.length * 24);
  const view = new DataView(header.buffer);
  header.set(encoder.encode("glibc-ld.so.cache1.1"));
  view.setUint32(20, entries.length, true);
  const texts: number[] = [];
  entries.forEach(([name, path], i) => {
    for (const [at, text] of [[4, name], [8, path]] as const) {
      view.setUint32(48 + i * 24 + at, header.length + texts.length, true);
      texts.push(...encoder.encode(`${text}\0`));
    }
  });
  view.setUint32(24, texts.length, true);
  const before = new Uint8Array(old ? 16 + 12 * 2 : 0);
  if (old) before.set(encoder.encode("ld.so-1.7.0"));
  return new Uint8Array([...before, ...header, ...texts]);
}

export interface Box extends Disposable {
  readonly root: string;
  readonly system: SearchSystem;
  /** Absolute path of a name in the box. */
  path(name: string): string;
  /** Writes a file, a good library without bytes. */
  file(name: string, bytes?: Uint8Array | string): string;
  /** A relative link. */
  link(name: string, target: string): string;
}

/** A folder that looks like a machine without anything; `${ROOT}` in the environment is its path. */
export function machineBox(environment: Record<string, string> = {}, usual: readonly string[] = []): Box {
  const root = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "trtd-discovery-" }));
  const path = (name: string) => join(root, name);
  const prepare = (name: string) => {
    Deno.mkdirSync(dirname(path(name)), { recursive: true });
    return path(name);
  };
  return {
    root,
    path,
    system: {
      environment: Object.fromEntries(
        Object.entries(environment).map(([name, value]) => [name, value.replaceAll("${ROOT}", root)]),
      ),
      architecture: "x86_64",
      loaderCache: path("etc/ld.so.cache"),
      usualFolders: usual.map(path),
      packageStatus: path("dpkg/status"),
    },
    file(name, bytes = elf()) {
      const to = prepare(name);
      Deno.writeFileSync(to, typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes);
      return to;
    },
    link(name, target) {
      const to = prepare(name);
      Deno.symlinkSync(target, to);
      return to;
    },
    [Symbol.dispose]: () => Deno.removeSync(root, { recursive: true }),
  };
}
