/**
 * What the engine cache costs: a hit against reading the file, the digest of a model the first time and later, a second
 * start against the first. Side by side, alternating, best and median of the rounds.
 *
 *     deno run -A scripts/cache_speed.ts [--json] [--mb 45] [--rounds 9]
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { keyFrom } from "../src/cache/key.ts";
import { modelDigest } from "../src/cache/model_digest.ts";
import { openEngineCache } from "../src/cache/store.ts";
import { partName } from "../src/cache/tidy.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: { json: { type: "boolean" }, mb: { type: "string" }, rounds: { type: "string" } },
});
const BYTES = Number(values.mb ?? 45) * 1_000_000;
const ROUNDS = Number(values.rounds ?? 9);

const folder = await Deno.makeTempDir({ prefix: "trtd-cache-speed-" });
try {
  const path = join(folder, "model.onnx");
  const bytes = new Uint8Array(BYTES);
  for (let at = 0; at < BYTES; at += 65_536) crypto.getRandomValues(bytes.subarray(at, Math.min(BYTES, at + 65_536)));
  await Deno.writeFile(path, bytes);
  const old = new Date(Date.now() - 60_000);
  await Deno.utime(path, old, old);
  await new Promise((done) => setTimeout(done, 3500));

  const memoDir = join(folder, "digests");
  const times: Record<string, number[]> = {};
  const time = async <T>(name: string, body: () => Promise<T>): Promise<T> => {
    const from = performance.now();
    const value = await body();
    (times[name] ??= []).push(performance.now() - from);
    return value;
  };

  const { sha256 } = await modelDigest(path, { memoDir });
  const key = keyFrom({
    model: { sha256, externalDataSha256: null },
    passes: [],
    precision: "fp16",
    batch: 1,
    profile: [],
    flags: [],
    workspaceBytes: null,
    optimizationLevel: null,
    hardwareCompatibility: "none",
    tacticSources: null,
    dlaCore: null,
    targets: [89],
    tensorrt: { product: "tensorrt-rtx", family: "rtx-1.5", version: "1.6.1.120", cuda: "12.9" },
    parser: null,
    pluginsSha256: null,
    gpu: null,
    driver: null,
    platform: "linux-x86_64",
    shim: "0.1.0",
  });
  const model = { name: "model", named: "file", path, sha256 } as const;
  const open = () => openEngineCache({ modelsDir: join(folder, "models"), userCacheDir: null });
  const { place } = await open().obtain({
    model,
    key,
    build: async (place) => {
      const part = partName(place);
      await Deno.writeFile(part, bytes);
      return { part, facts: {} };
    },
  });
  for (let round = 0; round < ROUNDS; round++) {
    await time("sha256 alone", () => Promise.resolve(createHash("sha256").update(bytes).digest("hex")));
    await time("read the engine", () => Deno.readFile(place.engine));
    const hit = await time("hit of the cache", () => open().find(model, key));
    if (hit.kind !== "hit") throw new Error("It is no hit");
    await time("digest, hashed", () => modelDigest(path, { memoDir, always: true }));
    const digest = await time("digest, remembered", () => modelDigest(path, { memoDir }));
    if (!digest.remembered) throw new Error("It is not remembered");
    await time("miss of the cache", () => open().find(model, { ...key, batch: 2 }));
  }
  const rows = Object.entries(times).map(([name, all]) => {
    const sorted = all.toSorted((a, b) => a - b);
    return { name, best_ms: round(sorted[0]!), median_ms: round(sorted[sorted.length >> 1]!) };
  });
  const of = (name: string) => rows.find((row) => row.name === name)!;
  const overhead = round(of("hit of the cache").median_ms - of("read the engine").median_ms);
  if (values.json === true) {
    console.log(JSON.stringify({ bytes: BYTES, rounds: ROUNDS, rows, hit_over_read_ms: overhead }));
  } else {
    console.log(`${BYTES / 1e6} MB, ${ROUNDS} rounds, Deno ${Deno.version.deno}`);
    for (const { name, best_ms, median_ms } of rows) {
      console.log(`${name.padEnd(20)} best ${best_ms.toFixed(1)} ms, median ${median_ms.toFixed(1)} ms`);
    }
    console.log(`a hit costs ${overhead.toFixed(1)} ms more than reading the file`);
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
