/** A model of a few hundred bytes that a real worker can load. */
import { join } from "node:path";
import { tinyYolo } from "../onnx/build_model.ts";

/** Its labels. */
export const TINY_LABELS = ["qr_code", "aztec"] as const;

/** Write the model, which finds one `qr_code` in the middle of any picture. @returns its path */
export function writeTinyModel(folder: string, name = "tiny"): string {
  const path = join(folder, `${name}.onnx`);
  const rows = [{ box: [32, 32, 20, 10] as const, scores: [0.9, 0.1] }];
  Deno.writeFileSync(path, tinyYolo(rows, { labels: TINY_LABELS }));
  return path;
}
