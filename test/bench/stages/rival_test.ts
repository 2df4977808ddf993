import assert from "node:assert/strict";
import { measure } from "../../../src/bench/stages/measure.ts";
import { startRival } from "../../../src/bench/stages/rival.ts";
import { fakeSubject, SAMPLE } from "./fake_subject.ts";

/** Starts a script of Deno as the other program. */
async function rivalFrom(script: string, options: Parameters<typeof startRival>[1] = {}) {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/rival.ts`;
  await Deno.writeTextFile(path, script);
  try {
    return await startRival([Deno.execPath(), "run", "--quiet", "--no-check", path], options);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const GOOD = `
  const say = (value: unknown) => console.log(JSON.stringify(value));
  say({ ready: true, name: "other", version: 3 });
  let rest = "";
  for await (const part of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + part).split("\\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const request = JSON.parse(line);
      const box = { x1: 0, y1: 0, x2: 10, y2: 10 };
      say(request.op === "boxes" ? { boxes: [{ class_id: 2, score: 0.5, box }] } : { jpeg_ms: [4, request.window_ms] });
    }
  }`;

Deno.test("rival: tells about itself, answers rounds and boxes, ends with its input", async () => {
  await using rival = await rivalFrom(GOOD);
  assert.deepEqual(rival.about, { name: "other", version: 3 });
  assert.deepEqual(await rival.round(8), [4, 8]);
  assert.deepEqual((await rival.boxes()).map(({ class_id }) => class_id), [2]);
});

Deno.test("rival: takes a turn in each round, beside the first subject", async () => {
  await using rival = await rivalFrom(GOOD);
  const subject = {
    ...fakeSubject({ stages: { inference: 3 }, bare: 1, runMs: 0 }),
    find: () => Promise.resolve([{ class_id: 2, score: 0.5, box: { x1: 0, y1: 0, x2: 10, y2: 10.2 } }]),
  };
  const settle = () => Promise.resolve();
  const options = { samples: [SAMPLE], rounds: 3, windowMs: 2, batches: [], lanes: [], settle, note: () => {} };
  const { rival: report } = await measure([subject], { ...options, rival });
  assert.deepEqual(report!.agreement, { found: [1, 1], matched: 1, iou_min: 0.95 });
  assert.deepEqual(report!.ours_to_rival, { median: 1, lowest: 1, highest: 1 });
  assert.equal(report!.jpeg_ms.runs, 6);
});

const FAILURES: readonly [string, string, RegExp][] = [
  ["ends before it is ready", `console.error("no GPU"); Deno.exit(3);`, /ended: no GPU/],
  ["says what is no JSON", `console.log("hello"); await new Promise((r) => setTimeout(r, 60_000));`, /"hello"/],
  [
    "reports an error",
    `console.log(JSON.stringify({ error: "RuntimeError: out of memory" }));`,
    /failed: RuntimeError: out/,
  ],
  ["never answers", `await new Promise((r) => setTimeout(r, 60_000));`, /did not answer in 2 s/],
];

for (const [name, script, message] of FAILURES) {
  Deno.test(`rival: one that ${name} is an error with its words, and is gone`, async () => {
    const readyMs = name === "never answers" ? 2000 : 60_000;
    await assert.rejects(rivalFrom(script, { readyMs }), (error: Error) => message.test(error.message));
  });
}

Deno.test("rival: times that are none are refused", async () => {
  await using rival = await rivalFrom(GOOD.replace("[4, request.window_ms]", "[]"));
  await assert.rejects(rival.round(1), /without "jpeg_ms"/);
});

Deno.test("rival: a program that is not there is told by its name", async () => {
  await assert.rejects(startRival(["/nowhere/python"]), { code: "FILE_NOT_FOUND" });
});
