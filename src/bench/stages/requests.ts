/** Samples as a detector takes them, and its answers as the benchmark needs them. */
import type { DetectionResult, DetectOptions } from "../../detect/detection.ts";
import type { DetectRequest } from "../../detect/detector.ts";
import { TrtdError } from "../../errors.ts";
import type { Sample, StageTimes, Way } from "./subject.ts";

export const requestOf = (way: Way, { file, picture }: Sample, options: DetectOptions): DetectRequest =>
  way === "jpeg" ? { bytes: file, options } : { frame: picture, options };

/** @throws {TrtdError} the first that is among the answers */
export const good = (answers: readonly (DetectionResult | TrtdError)[]): DetectionResult[] =>
  answers.map((answer) => {
    if (answer instanceof TrtdError) throw answer;
    return answer;
  });

/**
 * Stages of a run with letterbox and NMS on the CPU, from its answers: pictures are decoded side by side, and everything
 * else happens one by one.
 * @param total milliseconds of the whole
 */
export function hostStages(results: readonly DetectionResult[], total: number): StageTimes {
  const sum = (stage: "preprocess" | "postprocess") =>
    results.reduce((ms, { timings_ms }) => ms + timings_ms[stage], 0);
  const stages = {
    decode: Math.max(...results.map(({ timings_ms }) => timings_ms.decode)),
    letterbox: sum("preprocess"),
    inference: results[0]!.timings_ms.inference,
    postprocess: sum("postprocess"),
  } satisfies StageTimes;
  const known = Object.values(stages).reduce((ms, stage) => ms + stage, 0);
  return { ...stages, rest: Math.max(0, total - known) };
}
