/** What the serving manager and a worker say to each other; every message is checked when it arrives. */
import { z } from "zod";
import { ERRORS, TrtdError } from "../errors.ts";
import type { DetectionResult } from "../detect/detection.ts";
import type { Model } from "../models/model.ts";

const errorSchema = z.object({
  code: z.string().refine((code) => Object.hasOwn(ERRORS, code), "is not a known code"),
  message: z.string(),
  remedy: z.string(),
});

export type ErrorMessage = z.output<typeof errorSchema>;

const unit = z.number().min(0).max(1);

const optionsSchema = z.strictObject({
  score: unit.exactOptional(),
  iou: unit.exactOptional(),
  max: z.number().int().min(1).max(5000).exactOptional(),
  classes: z.array(z.string()).exactOptional(),
});

const modelSchema = z.object({
  name: z.string().min(1),
  path: z.string().min(1),
  manifest: z.custom<Model["manifest"]>((value) => typeof value === "object" && value !== null),
});

const backendSchema = z.object({
  name: z.enum(["onnxruntime", "tensorrt"]),
  device: z.string(),
  precision: z.enum(["f32", "fp16"]),
  engine: z.string().nullable(),
  degraded: z.string().nullable(),
});

/** Settings that a worker needs; the same words as in the configuration. */
export const workerSettingsSchema = z.strictObject({
  backend: z.enum(["auto", "onnxruntime", "tensorrt"]),
  threads: z.number().int().min(1).exactOptional(),
  max_pixels: z.number().int().min(1),
});

export type WorkerSettings = z.output<typeof workerSettingsSchema>;

/** Manager to worker. `load` comes first and once. */
export const requestSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("load"), models: z.array(modelSchema).min(1), settings: workerSettingsSchema }),
  z.object({
    type: z.literal("detect"),
    id: z.number().int(),
    model: z.string(),
    options: optionsSchema,
    annotate: z.boolean(),
    deadline: z.number(),
  }),
]);

export type RequestMessage = z.output<typeof requestSchema>;

/** Worker to manager. The payload of `answer` is the annotated JPEG, if any. */
export const replySchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("loaded"),
    models: z.array(z.object({ name: z.string(), labels: z.array(z.string()), backend: backendSchema })),
  }),
  z.object({ type: z.literal("failed"), error: errorSchema }),
  z.object({
    type: z.literal("answer"),
    id: z.number().int(),
    result: z.custom<DetectionResult>((value) =>
      typeof value === "object" && value !== null && "detections" in value && Array.isArray(value.detections)
    ),
  }),
  z.object({ type: z.literal("error"), id: z.number().int(), error: errorSchema }),
]);

export type ReplyMessage = z.output<typeof replySchema>;

/** A failure as it travels. */
export function messageFromError(error: TrtdError): ErrorMessage {
  return { code: error.code, message: error.message, remedy: error.remedy };
}

/** The failure that was sent. */
export function errorFromMessage(message: ErrorMessage): TrtdError {
  return new TrtdError(message.code as keyof typeof ERRORS, message.message, { remedy: message.remedy });
}
