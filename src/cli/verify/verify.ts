/** `trtd verify`: whether the engine of a model finds what ONNX Runtime finds. */
import { openCache } from "../../cache/configured_cache.ts";
import { differenceText } from "../../cache/key.ts";
import type { EngineCache, Hit } from "../../cache/store.ts";
import type { Config } from "../../config/config.ts";
import { openDetector } from "../../detect/open.ts";
import { EXIT, TrtdError } from "../../errors.ts";
import type { Model } from "../../models/model.ts";
import { plainText } from "../../onnx/quoted.ts";
import { findEngine } from "../../tensorrt/build/obtain_engine.ts";
import { findMachine } from "../../tensorrt/request/machine.ts";
import { planModel } from "../../tensorrt/request/plan_request.ts";
import { PRODUCT_NAMES } from "../../tensorrt/versions.ts";
import { bundledPictures, folderPictures, type PictureSet } from "../../verify/pictures.ts";
import { rememberIn } from "../../verify/remember.ts";
import type { GateMachine, ParityReport } from "../../verify/report.ts";
import { type GateDetector, ReferenceAnswers, ReferenceFailure } from "../../verify/sides.ts";
import { verifyEngine } from "../../verify/verify.ts";
import { numberFrom } from "../build/build_request.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { findOrPull } from "../models/find_or_pull.ts";
import { noteError } from "../note_error.ts";
import { verifyText } from "./verify_text.ts";

/** An engine of the cache that is to be judged, and the machine that it runs on. */
export interface VerifySubject {
  readonly hit: Hit;
  readonly precision: "f32" | "fp16";
  readonly machine: GateMachine;
  readonly cache: Pick<EngineCache, "amend">;
  /** Loads it. */
  open(): Promise<GateDetector>;
}

/** What the command asks; injected, so that tests need no GPU. */
export interface VerifyParts {
  /** @throws {TrtdError} `BACKEND_UNAVAILABLE` when the cache has no engine for the model; why TensorRT cannot be used */
  subject(model: Model, context: CommandContext): Promise<VerifySubject>;
  /** ONNX Runtime. */
  reference(model: Model, config: Config): Promise<GateDetector>;
}

/** What `--json` prints. */
export interface VerifyAnswer {
  readonly model: string;
  readonly engine: string;
  readonly passed: boolean;
  readonly runs: number;
  /** Runs that failed. */
  readonly failed: number;
  /** Of the run that fared worst. */
  readonly report: ParityReport;
  /** Why the result is not kept in the engine's metadata, null when it is. */
  readonly not_remembered: string | null;
}

const REPEAT_MAX = 1000;

/** The command with the machine that it asks. */
export const verifyCommandOf = (parts: VerifyParts): CliCommand => ({
  name: "verify",
  summary: "Compare what a model's engine finds with what ONNX Runtime finds",

  configure(command) {
    command
      .argument("[MODEL]", "ONNX file, name or source of a model; default: the setting model")
      .option("--pictures <DIR>", "Folder of pictures to compare on; default: eight that come with trtd")
      .option("--repeat <N>", "Compare so many times; one failure fails the engine")
      .option("--json", "Print one JSON value");
  },

  async run(context): Promise<number> {
    const { flags, terminal } = context;
    const answer = await verify(context, parts);
    const asJson = flags["json"] === true;
    terminal.print(asJson ? JSON.stringify(answer) : verifyText(answer));
    if (answer.not_remembered !== null) {
      terminal.note(`trtd: The result is not remembered: ${plainText(answer.not_remembered)}`);
    }
    if (answer.passed) return EXIT.fine;
    const { precision, reason } = answer.report;
    const how = answer.runs === 1 ? "" : ` in ${answer.failed} of ${answer.runs} comparisons`;
    const error = new TrtdError(
      "PARITY_FAILED",
      `The ${precision} engine of "${answer.model}" does not agree with ONNX Runtime${how}: ${reason}`,
    );
    noteError(error, terminal);
    return error.row.exit;
  },
});

async function verify(context: CommandContext, parts: VerifyParts): Promise<VerifyAnswer> {
  const { args, flags, config } = context;
  const repeat = numberFrom(flags, { key: "repeat", flag: "--repeat", low: 1, high: REPEAT_MAX }) ?? 1;
  const name = args[0] ?? config.model[0];
  if (name === undefined) throw new TrtdError("USAGE", "verify needs a model");
  const pictures = await picturesFrom(context);
  const model = await findOrPull(name, context);
  const subject = await parts.subject(model, context);
  const reports = await compare(subject, { repeat, pictures, reference: () => parts.reference(model, config) });
  const failed = reports.filter(({ passed }) => !passed);
  const report = (failed.length > 0 ? failed : reports).reduce((a, b) => b.percent < a.percent ? b : a);
  return {
    model: model.name,
    engine: subject.hit.path,
    passed: failed.length === 0,
    runs: reports.length,
    failed: failed.length,
    report,
    not_remembered: await rememberIn(subject.cache, subject.hit, report),
  };
}

async function picturesFrom({ flags, config, terminal }: CommandContext): Promise<PictureSet> {
  const folder = typeof flags["pictures"] === "string" ? flags["pictures"] : config.verify_pictures;
  return folder === undefined ? bundledPictures() : await folderPictures(terminal.resolve(folder));
}

/** @throws {TrtdError} what the engine, ONNX Runtime and the pictures throw */
async function compare(
  { hit, precision, machine, open }: VerifySubject,
  { repeat, pictures, reference }: {
    repeat: number;
    pictures: PictureSet;
    reference: () => Promise<GateDetector>;
  },
): Promise<ParityReport[]> {
  const detector = await open();
  let answers: ReferenceAnswers | null = null;
  try {
    answers = new ReferenceAnswers(await reference(), pictures);
    const engine = { detector, precision, sha256: hit.entry.engine.sha256 };
    const reports: ParityReport[] = [];
    for (let i = 0; i < repeat; i++) reports.push(await verifyEngine({ engine, reference: answers, machine }));
    return reports;
  } catch (error) {
    if (!(error instanceof ReferenceFailure)) throw error;
    const { cause } = error;
    throw new TrtdError(cause.code, `ONNX Runtime cannot be compared with: ${cause.message}`, { cause });
  } finally {
    await answers?.detector.close();
    await detector.close();
  }
}

/** The cache, the GPU and the TensorRT of this machine. */
const THIS_MACHINE: VerifyParts = {
  async subject(model, context) {
    const { terminal } = context;
    const config = { ...context.config, verify: "off" as const };
    let asked: ReturnType<typeof findMachine> | null = null;
    const ask: typeof findMachine = (wishes) => asked ??= findMachine(wishes);
    const wishes = {
      nms: config.nms,
      ...config.precision === undefined ? {} : { precision: config.precision },
      ...config.batch === undefined ? {} : { batch: config.batch },
    };
    const { request } = await planModel(model, wishes, { config, terminal }, ask);
    const { machine, plan } = request;
    if (machine.gpu === null || plan.device === null) {
      throw new TrtdError("GPU_UNAVAILABLE", machine.gpuMissing ?? "There is no NVIDIA GPU here");
    }
    const cache = await openCache(config, terminal);
    const hit = await findEngine(cache, request, config.retry.filter((kind) => kind !== "none"));
    if (hit.kind === "miss") {
      const why = hit.missedBecause.map(differenceText).join(", ");
      throw new TrtdError("BACKEND_UNAVAILABLE", `There is no ${plan.precision} engine of "${model.name}": ${why}`, {
        remedy: `Build it: trtd build-engine ${model.path} --precision ${plan.precision}`,
      });
    }
    return {
      hit,
      cache,
      precision: plan.precision,
      machine: {
        gpu: machine.gpu.name,
        compute_capability: machine.gpu.computeCapability,
        driver: machine.driver,
        tensorrt: `${PRODUCT_NAMES[machine.tensorrt.product]} ${machine.tensorrt.version}`,
      },
      open: () =>
        openDetector(model, {
          backend: "tensorrt",
          maxPixels: config.max_pixels,
          engines: { config, terminal, ask },
        }),
    };
  },

  reference: (model, { threads, max_pixels: maxPixels }) =>
    openDetector(model, { backend: "onnxruntime", maxPixels, ...threads === undefined ? {} : { threads } }),
};

export const verifyCommand: CliCommand = verifyCommandOf(THIS_MACHINE);
