/** What the serving manager and the child that builds an engine for it say to each other, and what clients are told. */
import { z } from "zod";
import type { Model } from "../../models/model.ts";

/** Name of the child's command. */
export const ENGINE_BUILD_COMMAND = "engine-build";

/** One JSON line on the child's standard input; its end ends the build. */
export interface BuildQuestion {
  readonly model: Model;
}

const failureSchema = z.object({ code: z.string(), detail: z.string(), remedy: z.string() });

/** JSON lines on the child's standard output; `ended` is the last. */
export const buildLineSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("expected"), seconds: z.number().nullable() }),
  z.object({ type: z.literal("progress"), phase: z.string(), fraction: z.number() }),
  z.object({ type: z.literal("checking") }),
  z.object({
    type: z.literal("ended"),
    result: z.enum(["built", "failed", "cancelled", "refused"]),
    error: failureSchema.nullable(),
  }),
]);

export type BuildLine = z.output<typeof buildLineSchema>;

/** Answer of `GET /v1/models/NAME/build`, and data of its events. */
export const buildStatusSchema = z.object({
  model: z.string(),
  gpu: z.string().exactOptional().describe("The kind of GPU that the engine is for, where several kinds are used"),
  state: z.enum(["none", "waiting", "running", "checking", "done", "failed", "cancelled"]).describe(
    "none: nothing is to be built; waiting: for another build; running: TensorRT builds; checking: the engine is compared " +
      "with ONNX Runtime and the workers change over; done: it answers",
  ),
  phase: z.string().nullable().describe("What TensorRT is doing"),
  percent: z.number().int().min(0).max(100).nullable(),
  elapsed_s: z.number().nullable(),
  expected_s: z.number().nullable().describe("What the same build took before; null when it was never built"),
  error: failureSchema.nullable().describe("Why there is no engine"),
});

export type BuildStatus = z.output<typeof buildStatusSchema>;
