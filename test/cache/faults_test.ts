import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type FaultKind, operationsPassed, setFault } from "../../src/cache/disk/fault.ts";
import { TrtdError } from "../../src/errors.ts";
import { type Box, openBox, OTHER, type Scenario, SCENARIOS } from "./fault_scenarios.ts";
import { claimIn, engineBytes, fakeBuild, KEY, noBuild, scratchFolder } from "./set_up.ts";

/** More operations than any scenario has. */
const OPERATIONS_MAX = 100;
const AT_ONCE = 3;
const PROGRAM = fileURLToPath(import.meta.resolve("./fault_scenarios.ts"));

for (const [index, scenario] of SCENARIOS.entries()) {
  for (const kind of index === 1 ? ["fail", "full"] as const : ["fail"] as const) {
    Deno.test(`cache: when the n-th operation of ${scenario.name} ${kind === "fail" ? "fails" : "finds the disk full"}, the next start serves`, async () => {
      let at = 1;
      for (; at <= OPERATIONS_MAX; at++) {
        if (!await cutShort(scenario, (box) => actWithFault(scenario, box, { kind, at }))) break;
      }
      assert.ok(at > 5 && at <= OPERATIONS_MAX, `ended after ${at} operations`);
    });
  }

  Deno.test(`cache: when the process is killed at the n-th operation of ${scenario.name}, the next start serves`, async () => {
    let [at, whole] = [0, 0];
    const work = async () => {
      while (whole === 0 && at < OPERATIONS_MAX) {
        const mine = ++at;
        const killed = await cutShort(scenario, (box) => actAndDie(index, box, mine));
        if (!killed) whole = mine;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    assert.ok(whole > 5, `ended after ${at} operations`);
  });
}

Deno.test("cache: processes that build, swap and are killed at random leave nothing that a start could not use", async () => {
  const folder = await scratchFolder();
  try {
    const box: Box = { modelsDir: join(folder, "models"), userCacheDir: join(folder, "user") };
    await Deno.mkdir(box.modelsDir);
    let random = 12_345;
    const next = (below: number) => (random = random * 1_103_515_245 + 12_345 & 0x7fffffff) % below;
    const acts = [0, 1, 2, 2, 1, 0];
    for (let turn = 0; turn < 8; turn++) {
      await Promise.all(Array.from({ length: 3 }, () => actAndDie(acts[next(acts.length)]!, box, 1 + next(40))));
    }
    const words = ["new", "old", "older", "theirs"];
    await nextStart({
      name: "random deaths",
      prepare: () => Promise.resolve(),
      act: () => Promise.resolve(),
      survive: [KEY, OTHER].map((key) => ({ key, words, mayBuild: true })),
    }, box);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

const templates = new Map<Scenario, Promise<string>>();

/** A folder of models as the scenario begins, made once; it is removed with the last test. */
function prepared(scenario: Scenario): Promise<string> {
  const make = async () => {
    const folder = await scratchFolder();
    await scenario.prepare({ modelsDir: folder, userCacheDir: join(folder, "user") });
    return folder;
  };
  const template = templates.get(scenario) ?? make();
  templates.set(scenario, template);
  return template;
}

Deno.test.afterAll(async () => {
  for (const template of templates.values()) await Deno.remove(await template, { recursive: true });
});

async function copyTree(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { mode: 0o755 });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyTree(join(from, name), join(to, name));
    else await Deno.copyFile(join(from, name), join(to, name));
  }
}

/** One run of a scenario with a fault, then the next start. @returns whether the fault came */
async function cutShort(scenario: Scenario, act: (box: Box) => Promise<boolean>): Promise<boolean> {
  const folder = await scratchFolder();
  try {
    const box: Box = { modelsDir: join(folder, "models"), userCacheDir: join(folder, "user") };
    await copyTree(await prepared(scenario), box.modelsDir);
    const came = await act(box);
    await nextStart(scenario, box);
    return came;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function actWithFault(scenario: Scenario, box: Box, fault: { kind: FaultKind; at: number }): Promise<boolean> {
  let passed = 0;
  setFault(fault);
  try {
    await scenario.act(box);
  } catch (error) {
    assert.ok(error instanceof TrtdError, `operation ${fault.at} ends in a failure with a code, not in ${error}`);
    assert.match(error.message, fault.kind === "full" ? /No space left/ : /Input\/output error/);
  } finally {
    passed = operationsPassed();
    setFault(null);
  }
  return passed >= fault.at;
}

async function actAndDie(index: number, { modelsDir, userCacheDir }: Box, at: number): Promise<boolean> {
  const { success, signal, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--quiet", PROGRAM, String(index), modelsDir, userCacheDir],
    env: { TRTD_TEST_CACHE_FAULT: `kill:${at}` },
    stdout: "null",
    stderr: "piped",
  }).output();
  assert.ok(success || signal === "SIGKILL", new TextDecoder().decode(stderr));
  return !success;
}

/** The engines that must be there are there, whole; nothing half-way is left. */
async function nextStart({ survive, name }: Scenario, box: Box): Promise<void> {
  for (const { key, words, mayBuild } of survive) {
    const model = claimIn(box.modelsDir);
    const whole = words.map((word) => engineBytes(word));
    const among = (bytes: Uint8Array) => whole.some((one) => Buffer.compare(one, bytes) === 0);
    const found = await openBox(box).find(model, key);
    assert.ok(found.kind === "miss" || among(found.bytes), `${name}: a damaged engine was found`);
    assert.ok(mayBuild || found.kind === "hit", `${name}: an engine was lost`);
    const build = mayBuild ? fakeBuild(words.at(-1)!) : noBuild;
    const obtained = await openBox(box).obtain({ model, key, build });
    assert.ok(among(obtained.bytes) && among(await Deno.readFile(obtained.place.engine)), name);
    const again = await openBox(box).find(model, key);
    assert.ok(again.kind === "hit" && again.from === "place", name);
    const left = Array.from(Deno.readDirSync(obtained.place.folder), (entry) => entry.name)
      .filter((one) => /\.(part|next)$/.test(one) && !one.startsWith("."));
    assert.deepEqual(left, [], name);
  }
}
