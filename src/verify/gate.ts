/**
 * The correctness gate: what an engine must pass before it serves. An fp16 engine that is wrong gives way to one in f32,
 * an f32 engine that is wrong to ONNX Runtime, and the answer says so.
 */
import { TrtdError, trtdErrorFrom } from "../errors.ts";
import type { Precision } from "./limits.ts";
import { bundledPictures, type PictureSet } from "./pictures.ts";
import { recordFor, type VerificationRecord } from "./record.ts";
import type { GateMachine } from "./report.ts";
import { type GateDetector, ReferenceAnswers, ReferenceFailure } from "./sides.ts";
import { verifyEngine } from "./verify.ts";

/** An engine that may serve. */
export interface GateEngine<D> {
  readonly precision: Precision;
  /** SHA-256 of its file. */
  readonly sha256: string;
  readonly path: string;
  /** What its metadata remember, see `verificationsOf`. */
  readonly verified: readonly VerificationRecord[];
  /** Keeps a result in its metadata. @returns why it could not be kept, null when it was; never throws */
  remember(record: VerificationRecord): Promise<string | null>;
  /** Loads it. Not called for an engine that is known to be wrong. */
  open(): Promise<D>;
}

export interface GateParts<D extends GateDetector> {
  /** `off` lets every engine serve. */
  readonly mode: "auto" | "off";
  /** Of the engine that is wanted. */
  readonly precision: Precision;
  readonly machine: GateMachine;
  /**
   * The engine of a precision: found, or built where that is allowed; null when there is none. Asked for `precision`
   * first, and for f32 when an fp16 engine failed; what goes wrong with that one is said in `degraded`.
   */
  engine(precision: Precision): Promise<GateEngine<D> | null>;
  /** ONNX Runtime on the given model. Opened only when something has to be compared, and closed here. */
  reference(): Promise<GateDetector>;
  /** @default the bundled ones; with others, a result that was made on different pictures does not let an engine pass */
  readonly pictures?: PictureSet;
  /** Told what happens, in sentences without a final period. */
  readonly onRemark?: (text: string) => void;
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number;
}

/** An engine that may serve now, loaded. */
export interface Passed<D> {
  readonly kind: "serve";
  readonly detector: D;
  readonly engine: GateEngine<D>;
  /** `impossible`: ONNX Runtime cannot run the model, so nothing can be compared. */
  readonly how: "compared" | "remembered" | "off" | "impossible";
  /** Null when nothing was compared. */
  readonly record: VerificationRecord | null;
  /** Why f32 serves in the stead of fp16, null when the wanted precision serves. */
  readonly degraded: string | null;
}

/** No engine may serve. */
export interface Refused {
  readonly kind: "refused";
  /** Why ONNX Runtime answers. */
  readonly degraded: string;
  /** Of the last engine that failed; null when there was no engine. */
  readonly record: VerificationRecord | null;
}

export type GateOutcome<D> = Passed<D> | Refused;

/**
 * Lets an engine pass that agrees with ONNX Runtime, in f32 when fp16 does not. A result that is remembered for this
 * engine, GPU and driver is not made again, be it good or bad.
 * @throws {TrtdError} what `engine` and `open` throw for the wanted precision, what the engine throws while it is compared
 * (a sticky CUDA error ends the process), and what the pictures throw. Whatever was opened is closed
 */
export async function passGate<D extends GateDetector>(parts: GateParts<D>): Promise<GateOutcome<D>> {
  const gate = new Gate(parts);
  try {
    const first = await parts.engine(parts.precision);
    if (first === null) {
      return { kind: "refused", degraded: `There is no ${parts.precision} engine`, record: null };
    }
    const outcome = await gate.judge(first);
    if (outcome.kind === "serve" || first.precision === "f32") return outcome;
    return await gate.fallBack(outcome);
  } finally {
    await gate.close();
  }
}

class Gate<D extends GateDetector> {
  readonly #parts: GateParts<D>;
  readonly #remark: (text: string) => void;
  #answers: ReferenceAnswers | null = null;

  constructor(parts: GateParts<D>) {
    this.#parts = parts;
    this.#remark = parts.onRemark ?? (() => {});
  }

  async close(): Promise<void> {
    await this.#answers?.detector.close();
  }

  async judge(engine: GateEngine<D>): Promise<GateOutcome<D>> {
    const { mode, machine, pictures } = this.#parts;
    const { precision, sha256, path } = engine;
    const served = { kind: "serve", engine, degraded: null } as const;
    if (mode === "off") {
      this.#remark(`The ${precision} engine "${path}" is not compared with ONNX Runtime`);
      return { ...served, how: "off", record: null, detector: await engine.open() };
    }
    const known = recordFor(engine.verified, { sha256, machine, set: pictures?.id ?? null });
    if (known?.passed === false) return refusal(known, `was found on ${known.date} not to agree with ONNX Runtime`);
    const detector = await engine.open();
    if (known !== null) return { ...served, how: "remembered", record: known, detector };
    try {
      const answers = await this.#reference();
      if (answers instanceof TrtdError) return this.#impossible(engine, { detector, why: answers });
      const record = await verifyEngine({
        engine: { detector, precision, sha256 },
        reference: answers,
        machine,
        ...this.#parts.now === undefined ? {} : { now: this.#parts.now },
      });
      const kept = await engine.remember(record);
      if (kept !== null) this.#remark(`The result of the comparison is not remembered: ${kept}`);
      if (record.passed) {
        this.#remark(`The ${precision} engine agrees with ONNX Runtime: ${summaryOf(record)}`);
        return { ...served, how: "compared", record, detector };
      }
      await detector.close();
      return refusal(record, "does not agree with ONNX Runtime");
    } catch (error) {
      if (error instanceof ReferenceFailure) return this.#impossible(engine, { detector, why: error.cause });
      await detector.close();
      throw error;
    }
  }

  #impossible(engine: GateEngine<D>, { detector, why }: { detector: D; why: TrtdError }): Passed<D> {
    const { precision, path } = engine;
    this.#remark(`The ${precision} engine "${path}" cannot be compared with ONNX Runtime: ${why.message}`);
    return { kind: "serve", engine, degraded: null, how: "impossible", record: null, detector };
  }

  /** Tries f32 after an fp16 engine was refused. */
  async fallBack(refused: Refused): Promise<GateOutcome<D>> {
    this.#remark(refused.degraded);
    try {
      const engine = await this.#parts.engine("f32");
      if (engine === null) {
        return {
          ...refused,
          degraded: `${refused.degraded}. There is no f32 engine yet (build-engine --precision f32)`,
        };
      }
      const outcome = await this.judge(engine);
      return { ...outcome, degraded: `${refused.degraded}. ${outcome.degraded ?? "The f32 engine serves"}` };
    } catch (thrown) {
      const { code, message } = trtdErrorFrom(thrown);
      if (code === "GPU_FAULT" || code === "INTERRUPTED") throw thrown;
      return { ...refused, degraded: `${refused.degraded}. An f32 engine cannot serve: ${message}` };
    }
  }

  /** The reference with its answers, opened once and tried; the error when it cannot run the model. */
  async #reference(): Promise<ReferenceAnswers | TrtdError> {
    if (this.#answers !== null) return this.#answers;
    const { pictures = bundledPictures() } = this.#parts;
    let detector: GateDetector;
    try {
      detector = await this.#parts.reference();
    } catch (thrown) {
      return trtdErrorFrom(thrown);
    }
    this.#answers = new ReferenceAnswers(detector, pictures);
    return this.#answers;
  }
}

function refusal(record: VerificationRecord, how: string): Refused {
  return { kind: "refused", degraded: `The ${record.precision} engine ${how}: ${record.reason}`, record };
}

/** One line about a result. */
export function summaryOf(record: VerificationRecord): string {
  const { basis, compared, matched, percent, pictures, worst_score_difference: score, worst_iou: iou } = record;
  const what =
    { detections: "boxes", candidates: "boxes before suppression", outputs: "values", nothing: "boxes" }[basis];
  const worst = [
    ...score === null ? [] : [`scores within ${short(score)}`],
    ...iou === null ? [] : [`IoU at least ${short(iou)}`],
  ];
  return [`${matched} of ${compared} ${what} match (${percent} %) in ${pictures.count} pictures`, ...worst].join(", ");
}

const short = (value: number): string => String(Number(value.toPrecision(3)));
