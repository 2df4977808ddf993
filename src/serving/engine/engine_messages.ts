/** What `trtd serve` and the child that looks engines up say to each other; every message is checked when it arrives. */
import { z } from "zod";

/** Name of the child's command. */
export const ENGINE_LOOKUP_COMMAND = "engine-lookup";

const differencesSchema = z.array(z.object({
  field: z.string().describe("A field of the key, or: engine, metadata_format"),
  old: z.unknown().describe("What the engine that is there was built with"),
  new: z.unknown().describe("What this model, its options and this machine ask for"),
}));

/** What the cache has for a model: part of `GET /v1/models`. */
export const engineStatusSchema = z.object({
  cache: z.enum(["hit", "miss", "none", "unknown"]).describe(
    "hit: an engine fits; miss: none of the engines fits; none: there is no engine, or no TensorRT that could run it; " +
      "unknown: it is being looked up, or that failed",
  ),
  path: z.string().nullable().describe("The engine that fits, or the one that does not; null when there is none"),
  missed_because: differencesSchema.describe("Every field that differs; empty unless it is a miss"),
  detail: z.string().describe("The same in words"),
});

export type EngineStatus = z.output<typeof engineStatusSchema>;

const lookupSchema = engineStatusSchema.extend({
  name: z.string(),
  /** What changed on the machine since the engines of this model were built. */
  changes: differencesSchema,
  /** Engines that this machine must build again. */
  rebuilt: z.array(z.object({
    path: z.string(),
    differences: differencesSchema,
    expected_s: z.number().nullable(),
  })),
  /** What the cache remarked. */
  remarks: z.array(z.string()),
});

/** What the child found for one model. */
export type EngineLookup = z.output<typeof lookupSchema>;

/** The child's answer: one JSON value on standard output. */
export const engineAnswerSchema = z.object({ models: z.array(lookupSchema) });

/** What the child is asked: one line of JSON on its standard input, which stays open as long as the answer is wanted. */
export interface EngineQuestion {
  readonly models: readonly { readonly name: string; readonly path: string }[];
}
