import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { bundleLibraries, dropForeign } from "../../scripts/compile_bundle.ts";
import { filesBelow, isNeeded } from "../../scripts/compile_stage.ts";

const EM = { x86_64: 62, aarch64: 183 };

/** The head of a 64-bit little-endian ELF file for a machine, and some bytes that differ by `seed`. */
function elf(machine: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(64).fill(seed);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
  new DataView(bytes.buffer).setUint16(18, machine, true);
  return bytes;
}

const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const glibc = (cpu: string) => text({ os: ["linux"], cpu: [cpu], libc: ["glibc"] });
const ORT = "node_modules/.deno/onnxruntime-node@1/node_modules/onnxruntime-node";
const IMG = (name: string) => `node_modules/.deno/@img+${name}@1/node_modules/@img/${name}`;

/** Packages as Deno lays them out, for four kinds of machine. */
const STAGE: Readonly<Record<string, Uint8Array>> = {
  [`${ORT}/package.json`]: text({ os: ["win32", "darwin", "linux"] }),
  [`${ORT}/dist/index.js`]: text("code"),
  [`${ORT}/dist/index.d.ts`]: text("declaration"),
  [`${ORT}/bin/linux/x64/libonnxruntime.so.1`]: elf(EM.x86_64, 1),
  [`${ORT}/bin/linux/x64/binding.node`]: elf(EM.x86_64, 2),
  [`${ORT}/bin/linux/arm64/libonnxruntime.so.1`]: elf(EM.aarch64, 3),
  [`${ORT}/bin/linux/arm64/binding.node`]: elf(EM.aarch64, 4),
  [`${ORT}/bin/win32/x64/onnxruntime.dll`]: text("MZ"),
  [`${ORT}/bin/darwin/arm64/libonnxruntime.1.dylib`]: text("mach-o"),
  [`${IMG("sharp-linux-x64")}/package.json`]: glibc("x64"),
  [`${IMG("sharp-linux-x64")}/index.cjs`]: text("code"),
  [`${IMG("sharp-linux-x64")}/lib/sharp-x64.node`]: elf(EM.x86_64, 5),
  [`${IMG("sharp-libvips-linux-x64")}/package.json`]: glibc("x64"),
  [`${IMG("sharp-libvips-linux-x64")}/lib/libvips-cpp.so.8.18.7`]: elf(EM.x86_64, 6),
  [`${IMG("sharp-linux-arm64")}/package.json`]: glibc("arm64"),
  [`${IMG("sharp-linux-arm64")}/lib/sharp-arm64.node`]: elf(EM.aarch64, 7),
  [`${IMG("sharp-linuxmusl-x64")}/package.json`]: text({ os: ["linux"], cpu: ["x64"], libc: ["musl"] }),
  [`${IMG("sharp-linuxmusl-x64")}/lib/sharp-musl.node`]: elf(EM.x86_64, 8),
};

async function inStage(
  files: Readonly<Record<string, Uint8Array>>,
  action: (stage: string) => Promise<void>,
): Promise<void> {
  const stage = Deno.makeTempDirSync({ prefix: "trtd-test-" });
  try {
    for (const [path, bytes] of Object.entries(files)) {
      Deno.mkdirSync(dirname(join(stage, path)), { recursive: true });
      Deno.writeFileSync(join(stage, path), bytes);
    }
    await action(stage);
  } finally {
    Deno.removeSync(stage, { recursive: true });
  }
}

async function filesOf(stage: string): Promise<string[]> {
  return (await Array.fromAsync(filesBelow(stage))).map((path) => path.slice(stage.length + 1)).sort();
}

Deno.test("compile bundle: it holds the target's libraries, compressed, with the digest of each", async () => {
  await inStage(STAGE, async (stage) => {
    const index = await bundleLibraries(stage, "x86_64");
    assert.deepEqual(JSON.parse(Deno.readTextFileSync(join(stage, "native", "index.json"))), index);
    assert.deepEqual(index.libraries.map((library) => [library.owner, library.path]), [
      ["sharp", "@img/sharp-libvips-linux-x64/lib/libvips-cpp.so.8.18.7"],
      ["sharp", "@img/sharp-linux-x64/lib/sharp-x64.node"],
      ["onnxruntime-node", "onnxruntime-node/bin/linux/x64/binding.node"],
      ["onnxruntime-node", "onnxruntime-node/bin/linux/x64/libonnxruntime.so.1"],
    ]);
    for (const { path, size, sha256, blob } of index.libraries) {
      const original = Object.entries(STAGE).find(([name]) => name.endsWith(`/node_modules/${path}`))![1];
      const bytes = zstdDecompressSync(Deno.readFileSync(join(stage, "native", blob)));
      assert.deepEqual(new Uint8Array(bytes), original);
      assert.equal(size, original.length);
      assert.equal(sha256, createHash("sha256").update(original).digest("hex"));
    }
  });
});

Deno.test("compile bundle: libtrtd is one of them, and one for another machine is refused", async () => {
  await inStage({ ...STAGE, "built/libtrtd.so": elf(EM.x86_64, 9) }, async (stage) => {
    const shim = join(stage, "built/libtrtd.so");
    const { libraries, digest } = await bundleLibraries(stage, "x86_64", { shim });
    const { blob, ...found } = libraries.at(-1)!;
    const bytes = elf(EM.x86_64, 9);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    assert.deepEqual(found, { owner: "libtrtd", path: "libtrtd/libtrtd.so", size: 64, sha256, addon: null });
    assert.deepEqual(new Uint8Array(zstdDecompressSync(Deno.readFileSync(join(stage, "native", blob)))), bytes);
    assert.ok(Deno.statSync(shim).isFile);
    await inStage(STAGE, async (other) => {
      assert.notEqual((await bundleLibraries(other, "x86_64")).digest, digest);
      await Deno.remove(join(other, "native"), { recursive: true });
      await assert.rejects(bundleLibraries(other, "aarch64", { shim }), /libtrtd\.so" is no library for aarch64/);
    });
  });
});

Deno.test("compile bundle: an add-on leaves an empty file where require looks, a library leaves none", async () => {
  await inStage(STAGE, async (stage) => {
    const index = await bundleLibraries(stage, "x86_64");
    const addons = index.libraries.flatMap(({ addon }) => addon ?? []);
    assert.deepEqual(addons, [
      `${IMG("sharp-linux-x64")}/lib/sharp-x64.node`,
      `${ORT}/bin/linux/x64/binding.node`,
    ]);
    for (const addon of addons) assert.equal(Deno.statSync(join(stage, addon)).size, 0);
    assert.deepEqual(
      await filesOf(join(stage, "node_modules")),
      [
        `${IMG("sharp-libvips-linux-x64")}/package.json`,
        `${IMG("sharp-linux-x64")}/index.cjs`,
        `${IMG("sharp-linux-x64")}/lib/sharp-x64.node`,
        `${IMG("sharp-linux-x64")}/package.json`,
        `${ORT}/bin/linux/x64/binding.node`,
        `${ORT}/dist/index.js`,
        `${ORT}/package.json`,
      ].map((path) => path.slice("node_modules/".length)).sort(),
    );
  });
});

Deno.test("compile bundle: another target takes its own libraries", async () => {
  await inStage(STAGE, async (stage) => {
    const index = await bundleLibraries(stage, "aarch64");
    assert.deepEqual(index.libraries.map(({ path }) => path), [
      "@img/sharp-linux-arm64/lib/sharp-arm64.node",
      "onnxruntime-node/bin/linux/arm64/binding.node",
      "onnxruntime-node/bin/linux/arm64/libonnxruntime.so.1",
    ]);
  });
});

Deno.test("compile bundle: the digest names the libraries, whatever else is in the packages", async () => {
  const digestOf = async (files: Readonly<Record<string, Uint8Array>>) => {
    let digest = "";
    await inStage(files, async (stage) => void (digest = (await bundleLibraries(stage, "x86_64")).digest));
    return digest;
  };
  const digest = await digestOf(STAGE);
  assert.match(digest, /^[0-9a-f]{64}$/);
  assert.equal(await digestOf({ ...STAGE, [`${ORT}/dist/index.js`]: text("other code") }), digest);
  assert.notEqual(await digestOf({ ...STAGE, [`${ORT}/bin/linux/x64/binding.node`]: elf(EM.x86_64, 9) }), digest);
});

Deno.test("compile bundle: a missing add-on and a library that nobody loads are refused", async () => {
  const { [`${ORT}/bin/linux/arm64/binding.node`]: _, ...without } = STAGE;
  await inStage(without, async (stage) => {
    await assert.rejects(bundleLibraries(stage, "aarch64"), /No add-on of "onnxruntime-node" for aarch64/);
  });
  const stray = { ...STAGE, "node_modules/.deno/x@1/node_modules/x/x.node": elf(EM.x86_64, 1) };
  await inStage(stray, async (stage) => {
    await assert.rejects(bundleLibraries(stage, "x86_64"), /Nothing loads the library "x\/x.node"/);
  });
});

Deno.test("compile bundle: dropping what is foreign twice changes nothing more", async () => {
  await inStage(STAGE, async (stage) => {
    const left = await dropForeign(stage, "x86_64");
    const files = await filesOf(stage);
    assert.deepEqual(await dropForeign(stage, "x86_64"), left);
    assert.deepEqual(await filesOf(stage), files);
  });
});

Deno.test("compile stage: declarations, maps and unserved files stay out", () => {
  const kept = ["zod/index.js", "hono/package.json", "zod/LICENSE", "swagger-ui-dist/swagger-ui-bundle.js"];
  const dropped = ["zod/index.d.ts", "zod/src/index.ts", "hono/a.js.map", "swagger-ui-dist/swagger-ui.js"];
  for (const path of kept) assert.equal(isNeeded(`/s/node_modules/.deno/x@1/node_modules/${path}`), true, path);
  for (const path of dropped) assert.equal(isNeeded(`/s/node_modules/.deno/x@1/node_modules/${path}`), false, path);
});
