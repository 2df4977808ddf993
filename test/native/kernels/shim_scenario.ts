/**
 * Compares the kernels behind libtrtd with the CPU path; prints what it compared as JSON.
 *
 *     deno run -A test/native/kernels/shim_scenario.ts \
 *       '{"driver":null,"detect":[0,100],"letterbox":[0,100],"special":true}'
 */
import assert from "node:assert/strict";
import { ShimError } from "../../../ffi/shim_error.ts";
import { liveHandles } from "../../../ffi/handle.ts";
import { type HeadName, HEADS } from "../../../src/detect/heads/heads.ts";
import { type DetectCase, plainAnswer, referenceAnswers } from "./detect_case.ts";
import { ADVERSARIAL, randomCase } from "./random_case.ts";
import { type FramesCase, randomFrames, referenceInput } from "./random_frames.ts";
import { ShimRunner } from "./shim_runner.ts";
import { SPECIAL } from "./special_cases.ts";

/** What to compare. */
export interface ScenarioOptions {
  /** Path of the CUDA driver, null for the system's. */
  readonly driver: string | null;
  /** First seed and number of random detection cases. */
  readonly detect: readonly [from: number, count: number];
  /** First seed and number of random letterbox cases. */
  readonly letterbox: readonly [from: number, count: number];
  /** The adversarial and special cases too. */
  readonly special: boolean;
}

/** What was compared. */
export interface ScenarioResult {
  readonly detections: number;
  readonly boxes: number;
  readonly letterboxes: number;
  readonly special: number;
  /** Objects of libtrtd that were left behind. */
  readonly handles: number;
}

async function compareDetect(runner: ShimRunner, c: DetectCase, name: string): Promise<number> {
  const answers = await runner.detect(c), expected = referenceAnswers(c);
  assert.deepEqual(answers.map(plainAnswer), expected.map(plainAnswer), name);
  return expected.reduce((sum, { labels }) => sum + labels.length, 0);
}

async function compareFrames(runner: ShimRunner, c: FramesCase, name: string): Promise<void> {
  const result = await runner.letterbox(c), expected = referenceInput(c);
  assert.equal(result.length, expected.length);
  assert.equal(result.findIndex((byte, i) => byte !== expected[i]), -1, name);
}

/** Run everything; an assertion says which case differs. */
export async function compareWithCpu(options: ScenarioOptions): Promise<ScenarioResult> {
  let boxes = 0, special = 0;
  {
    using runner = await ShimRunner.open(options.driver ?? undefined);
    const [detectFrom, detections] = options.detect, [framesFrom, letterboxes] = options.letterbox;
    for (let seed = detectFrom; seed < detectFrom + detections; seed++) {
      boxes += await compareDetect(runner, randomCase(seed), `seed ${seed}`);
    }
    for (let seed = framesFrom; seed < framesFrom + letterboxes; seed++) {
      await compareFrames(runner, randomFrames(seed, { framesMax: seed % 3 + 1 }), `frames of seed ${seed}`);
    }
    for (const [name, make] of options.special ? SPECIAL : []) {
      boxes += await compareDetect(runner, make(), name);
      special++;
    }
    for (const [name, values] of options.special ? Object.entries(ADVERSARIAL) : []) {
      for (const head of Object.keys(HEADS) as HeadName[]) {
        for (let seed = 7; seed < 19; seed++, special++) {
          const c = randomCase(seed, { head, values, anchorsMax: 300 });
          boxes += await compareDetect(runner, c, `${name}, ${head}, seed ${seed}`);
        }
      }
    }
    if (options.special) {
      const c = randomCase(1, { imagesMin: 32, imagesMax: 32, anchorsMax: 900 });
      boxes += await compareDetect(runner, c, "32 pictures");
      special++;
    }
  }
  return {
    detections: options.detect[1],
    boxes,
    letterboxes: options.letterbox[1],
    special,
    handles: liveHandles(),
  };
}

if (import.meta.main) {
  try {
    console.log(JSON.stringify(await compareWithCpu(JSON.parse(Deno.args[0]!))));
  } catch (error) {
    if (!(error instanceof ShimError)) throw error;
    console.log(JSON.stringify({ status: error.statusName, code: error.code, message: error.message }));
  }
}
