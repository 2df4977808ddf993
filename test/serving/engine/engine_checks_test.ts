/** Lookups for several kinds of GPU. */
import assert from "node:assert/strict";
import { mergeConfig } from "../../../src/config/config.ts";
import { EngineChecks } from "../../../src/serving/engine/engine_checks.ts";
import { kindsOf, ONLY_PLACE, type Place } from "../../../src/serving/policy/places.ts";

const place = (index: number, name: string): Place => ({
  gpu: { index, name, uuid: `GPU-a${index}a${index}a${index}a${index}`, compute_capability: "8.9" },
  device: `GPU-a${index}a${index}a${index}a${index}`,
});

const MODEL = { name: "pets", path: "/nowhere/pets.onnx", manifest: { name: "pets", file: "pets.onnx" } };

/** A child that answers for the model. */
function childSaying(cache: string, path: string | null): { path: string; args: string[] } {
  const found = { name: "pets", cache, path, missed_because: [], detail: `A ${cache}` };
  const answer = JSON.stringify({ models: [{ ...found, changes: [], rebuilt: [], remarks: [] }] });
  return { path: Deno.execPath(), args: ["eval", "--quiet", `console.log(${JSON.stringify(answer)})`] };
}

function checksOf(places: readonly Place[], saying: Readonly<Record<string, string>>, path: string | null = null) {
  const asked: (string | null)[] = [];
  const checks = new EngineChecks(kindsOf(places), (kind) => {
    asked.push(kind.device);
    return {
      models: [MODEL],
      roots: [],
      config: mergeConfig({ flags: {}, environment: {} }).config,
      mayBuild: true,
      command: childSaying(saying[kind.device ?? ""]!, path),
      timeoutMs: 60_000,
    };
  });
  return { checks, asked };
}

Deno.test("engine checks: each kind of GPU is asked for, and what one lacks is told before what another has", async () => {
  const [small, twin, large] = [place(0, "Small"), place(1, "Small"), place(2, "Large")];
  const { checks, asked } = checksOf([small, twin, large], { [small.device!]: "hit", [large.device!]: "miss" });
  assert.deepEqual([checks.pending, checks.status("pets").cache], [true, "unknown"]);
  await checks.done;
  assert.deepEqual([checks.pending, asked], [false, [small.device, large.device]]);
  assert.deepEqual(checks.missing("pets").map(({ name }) => name), ["Large, compute capability 8.9"]);
  assert.deepEqual(checks.status("pets"), {
    cache: "miss",
    path: null,
    missed_because: [],
    detail: "GPU 2 (Large): A miss",
  });
});

Deno.test("engine checks: of one kind the answer is as it comes", async () => {
  const { checks, asked } = checksOf([ONLY_PLACE], { "": "hit" });
  await checks.done;
  assert.deepEqual([asked, checks.status("pets").detail, checks.missing("pets")], [[null], "A hit", []]);
});

Deno.test("engine checks: when they are closed no other child is started", async () => {
  const [small, large] = [place(0, "Small"), place(1, "Large")];
  const { checks, asked } = checksOf([small, large], { [small.device!]: "hit", [large.device!]: "hit" });
  await checks.close();
  assert.deepEqual([asked, checks.pending], [[small.device], false]);
});

Deno.test("engine checks: an engine that fitted and is no longer there is gone, one that never was is missing", async () => {
  const path = await Deno.makeTempFile({ prefix: "trtd-checks-", suffix: ".engine" });
  const [small, large] = [place(0, "Small"), place(1, "Large")];
  const { checks } = checksOf([small, large], { [small.device!]: "hit", [large.device!]: "miss" }, path);
  assert.deepEqual(await checks.gone("pets"), [], "nothing is known yet");
  await checks.done;
  assert.deepEqual(await checks.gone("pets"), []);
  await Deno.remove(path);
  assert.deepEqual((await checks.gone("pets")).map(({ name }) => name), ["Small, compute capability 8.9"]);
  assert.deepEqual(checks.missing("pets").map(({ name }) => name), ["Large, compute capability 8.9"]);
});
