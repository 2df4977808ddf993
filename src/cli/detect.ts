/** `trtd detect`: pictures in, boxes out. */
import { dirname } from "node:path";
import { EXIT, TrtdError, trtdErrorFrom } from "../errors.ts";
import type { DetectionResult, DetectOptions } from "../detect/detection.ts";
import type { Detector } from "../detect/detector.ts";
import { openDetector } from "../detect/open.ts";
import { bundledPhoto } from "../models/registry.ts";
import { buildingEngines } from "./build/engine_settings.ts";
import type { CliCommand, CommandContext, Terminal } from "./command.ts";
import { findOrPull, oneModel } from "./models/find_or_pull.ts";
import { noteError } from "./note_error.ts";
import { annotatedPaths, findPictures, type Picture, readPicture } from "./pictures.ts";
import { type Progress, startProgress } from "./progress.ts";
import { writeWhole } from "./write_whole.ts";

/** One entry of `--json`: a result, or what went wrong with that file. */
type Entry =
  | ({ file: string; annotated?: string } & DetectionResult)
  | { file: string; error: { code: string; detail: string; remedy: string } };

export const detectCommand: CliCommand = {
  name: "detect",
  summary: "Find objects in pictures",

  configure(command) {
    command
      .argument("[IMAGE...]", "Files, folders or glob patterns; without any, a bundled photo")
      .option("-o, --output <PATH>", "Write annotated pictures to this folder, or to this .jpg file")
      .option("--json", "Print one JSON value instead of a table");
  },

  async run(context: CommandContext): Promise<number> {
    const { args, flags, config, terminal } = context;
    const name = oneModel("detect", config);
    const asJson = flags["json"] === true;
    const pictures = args.length > 0
      ? await findPictures(args, terminal.cwd)
      : [{ name: "bundled photo", path: bundledPhoto() }];
    const output = typeof flags["output"] === "string" ? flags["output"] : args.length > 0 ? undefined : "annotated";

    const model = await findOrPull(name, { config, terminal });
    const targets = output === undefined ? undefined : await targetsFor(pictures, terminal.resolve(output));
    const detector = await openDetector(model, {
      backend: config.backend,
      maxPixels: config.max_pixels,
      engines: buildingEngines(context, { pictures: pictures.length }),
      ...(config.threads === undefined ? {} : { threads: config.threads }),
    });
    const options: DetectOptions = {
      ...(config.score === undefined ? {} : { score: config.score }),
      ...(config.iou === undefined ? {} : { iou: config.iou }),
      ...(config.max === undefined ? {} : { max: config.max }),
      ...(config.classes === undefined ? {} : { classes: config.classes }),
    };
    const interrupt = listenForInterrupt();
    const progress = startProgress(pictures.length, terminal);
    const entries: Entry[] = [];
    let status: number = EXIT.fine;
    try {
      for (const [index, picture] of pictures.entries()) {
        if (interrupt.requested) break;
        try {
          const result = await detectPicture(detector, picture, options, targets?.[index]);
          entries.push(result);
          if (!asJson) printAbove(progress, terminal, tableOf(result));
        } catch (thrown) {
          const error = trtdErrorFrom(thrown);
          if (USER_MISTAKES.has(error.code)) throw error;
          entries.push({
            file: picture.name,
            error: { code: error.code, detail: error.message, remedy: error.remedy },
          });
          progress.pause(() => noteError(error, terminal, picture.name));
          if (status === EXIT.fine) status = error.row.exit;
        }
        progress.step();
      }
    } finally {
      progress.stop();
      interrupt.stop();
      await detector.close();
    }
    if (asJson) terminal.print(JSON.stringify(entries));
    if (!interrupt.requested) return status;
    terminal.note(`trtd: INTERRUPTED: ${pictures.length - entries.length} of ${pictures.length} pictures are left`);
    return EXIT.interrupted;
  },
};

/** Mistakes in the options would fail every picture alike. */
const USER_MISTAKES = new Set(["PARAMETER_INVALID", "OUTPUT_UNWRITABLE"]);

async function detectPicture(
  detector: Detector,
  picture: Picture,
  options: DetectOptions,
  target: string | undefined,
): Promise<{ file: string; annotated?: string } & DetectionResult> {
  if (picture.error !== undefined) throw picture.error;
  const bytes = await readPicture(picture.name, picture.path);
  const result = await detector.detect(bytes, options);
  if (target === undefined) return { file: picture.name, ...result };
  if (target === picture.path) {
    throw new TrtdError("OUTPUT_UNWRITABLE", `The annotated picture would overwrite its source "${target}"`, {
      remedy: "Name another folder with -o",
    });
  }
  await writeWhole(target, await detector.annotate(bytes, result));
  return { file: picture.name, annotated: target, ...result };
}

async function targetsFor(pictures: readonly Picture[], out: string): Promise<string[]> {
  const isFolder = await Deno.stat(out).then((info) => info.isDirectory, () => false);
  const targets = annotatedPaths(pictures, out, isFolder);
  for (const folder of new Set(targets.map(dirname))) {
    await Deno.mkdir(folder, { recursive: true }).catch((error: Error) => {
      throw new TrtdError("OUTPUT_UNWRITABLE", `Cannot make the folder "${folder}": ${error.message}`, {
        cause: error,
      });
    });
  }
  return targets;
}

function printAbove(progress: Progress, terminal: Terminal, text: string): void {
  progress.pause(() => terminal.print(text));
}

function tableOf(entry: { file: string; annotated?: string } & DetectionResult): string {
  const { image, backend, timings_ms } = entry;
  const where = `${backend.name}, ${backend.device}, ${backend.precision}`;
  const head = `${entry.file}  ${image.width}x${image.height}  ${entry.model} (${where})  ${
    timings_ms.total.toFixed(0)
  } ms`;
  const width = Math.max(5, ...entry.detections.map(({ label }) => label.length));
  const rows = entry.detections.map(({ label, score, box }) => {
    const corners = [box.x1, box.y1, box.x2, box.y2].map((value) => value.toFixed(0).padStart(6));
    return `  ${label.padEnd(width)}  ${score.toFixed(2).padStart(5)}${corners.join("")}`;
  });
  const title = `  ${"label".padEnd(width)}  score${["x1", "y1", "x2", "y2"].map((name) => name.padStart(6)).join("")}`;
  return [
    head,
    ...(rows.length === 0 ? ["  nothing found"] : [title, ...rows]),
    ...(entry.annotated === undefined ? [] : [`  annotated: ${entry.annotated}`]),
  ].join("\n");
}

/** Ctrl-C ends the list after the picture in work, so that results so far are printed; a second one ends at once. */
function listenForInterrupt(): { readonly requested: boolean; stop(): void } {
  let requested = false;
  const listener = () => {
    requested = true;
    Deno.removeSignalListener("SIGINT", listener);
  };
  Deno.addSignalListener("SIGINT", listener);
  return {
    get requested() {
      return requested;
    },
    stop: () => Deno.removeSignalListener("SIGINT", listener),
  };
}
