/** `manifest.json`: what a model file does not say about itself. */
import { z } from "zod";
import { TrtdError } from "../errors.ts";
import { MODEL_NAME } from "./confine.ts";
import type { Manifest } from "./model.ts";

/** What a model's file may be called. */
export const FILE_NAME = /^[^/\\\0]{1,255}\.onnx$/i;
const LABELS_MAX = 10_000;
const TEXT_MAX = 10_000;

const sourceSchema = z.strictObject({
  uri: z.string().min(1).max(TEXT_MAX),
  id: z.string().max(TEXT_MAX),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, "must be 64 lower-case hexadecimal digits"),
  bytes: z.number().int().nonnegative(),
  fetched_at: z.string().max(TEXT_MAX),
  labels: z.string().max(TEXT_MAX).exactOptional(),
});

const fraction = z.number().min(0).max(1);

/** The schema; keys that it does not know are refused, so that a misspelt one is not lost in silence. */
export const manifestSchema = z.strictObject({
  name: z.string().regex(MODEL_NAME, "must be 1 to 64 lower-case letters, digits, dots, dashes and underscores"),
  file: z.string().regex(FILE_NAME, "must be the name of an .onnx file in the same folder"),
  labels: z.array(z.string().min(1).max(TEXT_MAX)).min(1).max(LABELS_MAX).exactOptional(),
  head: z.string().min(1).max(TEXT_MAX).exactOptional(),
  score: fraction.exactOptional(),
  iou: fraction.exactOptional(),
  max: z.number().int().min(1).max(5000).exactOptional(),
  class_agnostic: z.boolean().exactOptional(),
  description: z.string().max(TEXT_MAX).exactOptional(),
  license: z.string().max(TEXT_MAX).exactOptional(),
  source: sourceSchema.exactOptional(),
});

/**
 * Read the text of a manifest.
 * @param where the manifest's path, for the message
 * @throws {TrtdError} `MANIFEST_INVALID` naming the field
 */
export function parseManifest(text: string, where: string): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new TrtdError("MANIFEST_INVALID", `"${where}" is not JSON: ${(cause as Error).message}`, { cause });
  }
  const { success, data, error } = manifestSchema.safeParse(json);
  if (success) return data;
  const [issue] = error.issues;
  const keys = issue?.code === "unrecognized_keys" ? issue.keys : [];
  const field = [...issue?.path ?? [], ...keys.slice(0, 1)].join(".");
  throw new TrtdError("MANIFEST_INVALID", `${field === "" ? "" : `Field "${field}" of `}"${where}": ${issue?.message}`);
}
