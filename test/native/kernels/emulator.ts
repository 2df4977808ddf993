/** The kernels on the host: builds and runs emulate.cpp. */
import { join, resolve } from "node:path";
import type { Picture, Placement } from "../../../src/detect/letterbox/letterbox.ts";
import { detectionsRecord } from "../../../ffi/kernels.ts";
import { type Answer, detectArrays, type DetectCase, specOf } from "./detect_case.ts";

const ROOT = resolve(import.meta.dirname!, "..", "..", "..");
const FOLDER = join(ROOT, "cpp", "build", "kernels");

/** What a letterbox case asks. */
export interface LetterboxCase {
  readonly width: number;
  readonly height: number;
  readonly type: "float32" | "float16";
  readonly bgr: boolean;
  readonly range: 1 | 255;
  readonly frames: readonly { readonly picture: Picture; readonly placement: Placement }[];
}

async function build(): Promise<string | undefined> {
  const missing: string[] = [];
  for (const tool of ["cmake", "c++"]) {
    try {
      await new Deno.Command(tool, { args: ["--version"], stdout: "null", stderr: "null" }).output();
    } catch {
      missing.push(tool);
    }
  }
  if (missing.length > 0) return `${missing.join(" and ")} missing`;
  await Deno.mkdir(FOLDER, { recursive: true });
  await Deno.writeTextFile(join(ROOT, "cpp", "build", ".gitignore"), "*\n");
  using lock = await Deno.open(join(FOLDER, ".lock"), { create: true, write: true });
  await lock.lock(true);
  for (const args of [["-S", import.meta.dirname!, "-B", FOLDER], ["--build", FOLDER, "--parallel", "2"]]) {
    const { success, stdout, stderr } = await new Deno.Command("cmake", { args }).output();
    const decoder = new TextDecoder();
    if (!success) {
      throw new Error(`"cmake ${args.join(" ")}" failed: ${decoder.decode(stdout)}${decoder.decode(stderr)}`);
    }
  }
  await lock.unlock();
  return undefined;
}

const skipReason = await build();

/** Registers a test that needs the emulator, or says in its name why it is skipped. */
export function emulatorTest(name: string, body: () => Promise<void>): void {
  if (skipReason === undefined) Deno.test(name, body);
  else Deno.test({ name: `${name} (skipped: ${skipReason})`, ignore: true, fn: body });
}

const bytesOf = (view: ArrayBufferView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

/** A letterbox case as emulate.cpp reads it. */
export function letterboxBytes(c: LetterboxCase): Uint8Array[] {
  const numbers = [1, c.frames.length, c.width, c.height, c.type === "float16" ? 1 : 0, c.bgr ? 1 : 0, c.range, 0, 0];
  const frames = c.frames.flatMap(({ picture, placement }) => {
    const { left, top, width, height } = placement;
    return [0, 0, 0, 0, picture.width, picture.height, left, top, width, height, 0, 0];
  });
  return [
    bytesOf(Int32Array.of(...numbers, c.frames.length, ...frames)),
    ...c.frames.map(({ picture }) => picture.data),
  ];
}

/** A detection case as emulate.cpp reads it. */
export function detectBytes(c: DetectCase): Uint8Array[] {
  const { scores, ious, limits, placements, wanted } = detectArrays(c);
  const flags = [c.questions.length, placements === null ? 0 : 1, wanted === null ? 0 : 1];
  const views = [
    scores,
    ious,
    limits,
    ...(placements === null ? [] : [placements]),
    ...(wanted === null ? [] : [wanted]),
  ];
  return [
    bytesOf(Int32Array.of(2)),
    detectionsRecord(specOf(c)),
    bytesOf(Int32Array.from(flags)),
    ...[...views, ...c.tensors.map(({ data }) => data)].map(bytesOf),
  ];
}

/** How a run ended. */
export interface EmulatorEnd {
  readonly code: number;
  readonly stderr: string;
  /** What each case gave. */
  readonly results: readonly Uint8Array<ArrayBuffer>[];
}

/**
 * Run cases in one process.
 * @param options.sanitized with AddressSanitizer and UndefinedBehaviorSanitizer
 */
export async function emulate(
  cases: readonly Uint8Array[][],
  options: { sanitized?: boolean } = {},
): Promise<EmulatorEnd> {
  const program = join(FOLDER, options.sanitized === true ? "emulate-sanitized" : "emulate");
  const parts = [...cases.flat(), bytesOf(Int32Array.of(0))];
  const input = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) input.set(part, at), at += part.length;
  const child = new Deno.Command(program, { stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
  const feed = async () => {
    const writer = child.stdin.getWriter();
    try {
      await writer.write(input);
      await writer.close();
    } catch {
      // The child ended; its status says why.
    }
  };
  const [{ code, stdout, stderr }] = await Promise.all([child.output(), feed()]);
  const results: Uint8Array<ArrayBuffer>[] = [];
  const view = new DataView(stdout.buffer, stdout.byteOffset, stdout.byteLength);
  for (let from = 0; from + 4 <= stdout.length;) {
    const length = view.getUint32(from, true);
    results.push(stdout.slice(from + 4, from + 4 + length));
    from += 4 + length;
  }
  return { code, stderr: new TextDecoder().decode(stderr), results };
}

/** Results of a detection case: head and boxes of each picture. */
export function answersFrom(result: Uint8Array<ArrayBuffer>, images: number): Answer[] {
  const view = new DataView(result.buffer, result.byteOffset, result.byteLength);
  const answers: Answer[] = [];
  let at = 0;
  for (let image = 0; image < images; image++) {
    const count = view.getUint32(at, true), found = view.getUint32(at + 4, true);
    at += 16;
    const numbers = new Float32Array(5 * count), labels = new Int32Array(count);
    for (let i = 0; i < count; i++, at += 24) {
      for (let k = 0; k < 5; k++) numbers[5 * i + k] = view.getFloat32(at + 4 * k, true);
      labels[i] = view.getInt32(at + 20, true);
    }
    answers.push({ found, numbers, labels });
  }
  return answers;
}
