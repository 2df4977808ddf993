import assert from "node:assert/strict";
import { type Found, type RecoveryStep, recoverySteps, type Slot } from "../../src/cache/recovery.ts";

/** Contents of the six files: engines A, B, C, metadata a, b, c that describe them, `x` for damage, none for no file. */
type Files = Partial<Record<`${"engine" | "metadata"} ${Slot}`, string>>;

const SLOTS: readonly Slot[] = ["current", "previous", "next"];
const RANK: readonly Slot[] = ["next", "current", "previous"];

const foundIn = (files: Files): Found => ({
  engines: new Set(SLOTS.filter((slot) => files[`engine ${slot}`] !== undefined)),
  metadata: new Map(SLOTS.flatMap((slot) => {
    const about = files[`metadata ${slot}`];
    if (about === undefined) return [];
    return [[slot, SLOTS.filter((one) => files[`engine ${one}`] === about.toUpperCase())] as const];
  })),
});

/** @throws when a step overwrites a file or takes one that is not there */
function apply(files: Files, step: RecoveryStep): Files {
  const next = { ...files };
  if (step.do === "set-aside") {
    for (const file of step.files) {
      assert.notEqual(next[`${file} current`], undefined, "sets aside what is there");
      delete next[`${file} current`];
    }
  } else if (step.do === "remove") {
    assert.notEqual(next[`${step.file} ${step.slot}`], undefined, "removes what is there");
    delete next[`${step.file} ${step.slot}`];
  } else {
    const [from, to] = [`${step.file} ${step.from}`, `${step.file} ${step.to}`] as const;
    assert.notEqual(next[from], undefined, "moves what is there");
    assert.equal(next[to], undefined, "moves to where nothing is");
    next[to] = next[from]!;
    delete next[from];
  }
  return next;
}

const settle = (files: Files): Files => recoverySteps(foundIn(files)).reduce(apply, files);

/** The engine that must win: what the best metadata describes. */
function wanted(files: Files): string | undefined {
  const engines = SLOTS.map((slot) => files[`engine ${slot}`]);
  const about = RANK.map((slot) => files[`metadata ${slot}`]?.toUpperCase());
  return about.find((one) => one !== undefined && engines.includes(one));
}

function* everyState(): Generator<Files> {
  const engines = [undefined, "A", "B", "X"];
  const metadata = [undefined, "a", "b", "damage"];
  for (let number = 0; number < 4 ** 6; number++) {
    const files: Files = {};
    SLOTS.forEach((slot, at) => {
      const engine = engines[Math.floor(number / 4 ** at) % 4];
      const about = metadata[Math.floor(number / 4 ** (at + 3)) % 4];
      if (engine !== undefined) files[`engine ${slot}`] = engine;
      if (about !== undefined) files[`metadata ${slot}`] = about;
    });
    yield files;
  }
}

Deno.test("cache: from each of 4096 states the best whole pair comes into its place, also when recovery is cut short anywhere", () => {
  for (const files of everyState()) {
    const about = JSON.stringify(files);
    const winner = wanted(files);
    const end = settle(files);
    assert.equal(end["engine current"], winner, about);
    assert.equal(end["metadata current"]?.toUpperCase(), winner, about);
    assert.equal(
      end["metadata previous"]?.toUpperCase(),
      end["engine previous"],
      `${about}: the previous one is whole`,
    );
    assert.equal(end["engine next"] ?? end["metadata next"], undefined, about);
    assert.deepEqual(recoverySteps(foundIn(end)), [], `${about}: nothing is left to do`);
    let cut = files;
    for (const step of recoverySteps(foundIn(files))) {
      cut = apply(cut, step);
      assert.equal(settle(cut)["engine current"], winner, `${about} cut after ${JSON.stringify(step)}`);
    }
  }
});

Deno.test("cache: each state of a build goes back to the old engine until the new one is checked, then on to it", () => {
  const old: Files = { "engine current": "A", "metadata current": "a" };
  const before: Files = { ...old, "engine previous": "C", "metadata previous": "c" };
  const rows: [Files, string, string | undefined][] = [
    [before, "A", "C"],
    [{ ...before, "engine next": "B" }, "A", "C"],
    [{ ...before, "engine next": "B", "metadata next": "damage" }, "A", "C"],
    [{ ...before, "engine next": "B", "metadata next": "b" }, "B", "A"],
    [{ ...old, "engine previous": "C", "engine next": "B", "metadata next": "b" }, "B", "A"],
    [{ ...old, "engine next": "B", "metadata next": "b" }, "B", "A"],
    [{ "engine current": "A", "metadata previous": "a", "engine next": "B", "metadata next": "b" }, "B", "A"],
    [{ "engine previous": "A", "metadata previous": "a", "engine next": "B", "metadata next": "b" }, "B", "A"],
    [{ "engine current": "B", "engine previous": "A", "metadata previous": "a", "metadata next": "b" }, "B", "A"],
    [{ "engine current": "B", "metadata current": "b", "engine previous": "A", "metadata previous": "a" }, "B", "A"],
  ];
  for (const [files, current, previous] of rows) {
    const end = settle(files);
    assert.deepEqual([end["engine current"], end["engine previous"]], [current, previous], JSON.stringify(files));
  }
});

Deno.test("cache: a damaged engine gives way to the one before it, and is set aside rather than removed", () => {
  const files: Files = {
    "engine current": "X",
    "metadata current": "a",
    "engine previous": "B",
    "metadata previous": "b",
  };
  assert.deepEqual(recoverySteps(foundIn(files)), [
    { do: "set-aside", files: ["engine", "metadata"] },
    { do: "move", file: "engine", from: "previous", to: "current" },
    { do: "move", file: "metadata", from: "previous", to: "current" },
  ]);
});
