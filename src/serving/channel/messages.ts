/** What the serving manager and a worker say to each other; every message is checked when it arrives. */
import { z } from "zod";
import { ERRORS, TrtdError } from "../../errors.ts";
import type { DetectionResult } from "../../detect/detection.ts";
import type { Model } from "../../models/model.ts";

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
  classes: z.array(z.string()).readonly().exactOptional(),
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
  device: z.string().exactOptional().describe("The worker's GPU, where its settings name several"),
  threads: z.number().int().min(1).exactOptional(),
  max_pixels: z.number().int().min(1),
  degraded: z.string().exactOptional().describe("Why the CPU is to answer"),
  batch_max: z.number().int().min(1).exactOptional(),
  batch_delay_ms: z.number().min(0).exactOptional(),
});

export type WorkerSettings = z.output<typeof workerSettingsSchema>;

const bytes = z.number().int().min(0);

/** Where a picture lies: a region of a ring. */
const placeSchema = { ring: z.string().min(1), offset: bytes, length: bytes };

/** A picture in shared memory: a file's bytes, or rows of `stride` bytes with packed RGB, 8 bits each. */
const pictureSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("file"), ...placeSchema }),
  z.object({
    kind: z.literal("rgb"),
    ...placeSchema,
    width: z.number().int().min(1),
    height: z.number().int().min(1),
    stride: z.number().int().min(3),
  }),
]);

export type PictureMessage = z.output<typeof pictureSchema>;

/** Manager to worker. `load` comes first and once; a channel that ends without `close` means that the manager died. */
export const requestSchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("load"),
    model: modelSchema,
    settings: workerSettingsSchema,
    rings: z.array(z.string().min(1)).describe("Every ring that pictures will lie in"),
  }),
  z.object({
    type: z.literal("detect"),
    id: z.number().int(),
    request_id: z.string().exactOptional(),
    picture: pictureSchema,
    options: optionsSchema,
    annotate: z.boolean(),
    deadline: z.number(),
  }),
  z.object({ type: z.literal("close") }),
  z.object({ type: z.literal("ping"), id: z.number().int() }),
]);

export type RequestMessage = z.output<typeof requestSchema>;

const measure = z.number().nullable();

/** {@link GpuSample} */
const gpuSchema = z.object({
  gpu: z.string(),
  name: z.string(),
  utilization: measure,
  memory_used_bytes: measure,
  memory_size_bytes: measure,
  temperature_celsius: measure,
  power_watts: measure,
});

/** Worker to manager. The payload of `answer` is the annotated JPEG, if any. */
export const replySchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("loaded"),
    model: z.object({
      name: z.string(),
      labels: z.array(z.string()),
      backend: backendSchema,
      batch: z.number().int().min(1),
      lanes: z.number().int().min(1),
    }),
  }),
  z.object({ type: z.literal("failed"), error: errorSchema }),
  z.object({
    type: z.literal("answer"),
    id: z.number().int(),
    batch: z.number().int().min(1),
    result: z.custom<DetectionResult>((value) =>
      typeof value === "object" && value !== null && "detections" in value && Array.isArray(value.detections)
    ),
  }),
  z.object({ type: z.literal("error"), id: z.number().int(), error: errorSchema }),
  z.object({ type: z.literal("pong"), id: z.number().int(), rss: bytes, gpus: z.array(gpuSchema).readonly() }),
]);

export type ReplyMessage = z.output<typeof replySchema>;

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null;
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isText = (value: unknown): boolean => typeof value === "string" && value !== "";

const hasOnly = (fields: Fields, names: readonly string[]): boolean => {
  const own = Object.keys(fields);
  return own.length <= names.length && own.every((name) => names.includes(name));
};

/** A picture in a file, asked about with nothing but a score at most: what nearly every request is. */
function isPlainDetect(header: Fields): boolean {
  const { id, request_id, picture, options, annotate, deadline } = header;
  return header["type"] === "detect" && Number.isSafeInteger(id) && typeof annotate === "boolean" &&
    Number.isFinite(deadline) && (request_id === undefined || typeof request_id === "string") &&
    hasOnly(header, ["type", "id", "request_id", "picture", "options", "annotate", "deadline"]) &&
    isFields(options) && hasOnly(options, ["score"]) &&
    (!("score" in options) || typeof options["score"] === "number" && options["score"] >= 0 && options["score"] <= 1) &&
    isFields(picture) && picture["kind"] === "file" && isText(picture["ring"]) && isCount(picture["offset"]) &&
    isCount(picture["length"]) && hasOnly(picture, ["kind", "ring", "offset", "length"]);
}

function isAnswer(header: Fields): boolean {
  const { id, batch, result } = header;
  return header["type"] === "answer" && Number.isSafeInteger(id) && Number.isSafeInteger(batch) &&
    batch as number >= 1 && isFields(result) && Array.isArray(result["detections"]) &&
    hasOnly(header, ["type", "id", "batch", "result"]);
}

/**
 * What {@link requestSchema} makes of a frame's header. The message that a picture waits for is looked at by hand: after an inference,
 * which leaves the caches cold, the schema takes 0.07 ms.
 * @throws {z.ZodError} when it is no request
 */
export const requestFrom = (header: unknown): RequestMessage =>
  isFields(header) && isPlainDetect(header) ? header as RequestMessage : requestSchema.parse(header);

/** The same of {@link replySchema}. @throws {z.ZodError} when it is no reply */
export const replyFrom = (header: unknown): ReplyMessage =>
  isFields(header) && isAnswer(header) ? header as ReplyMessage : replySchema.parse(header);

/** A failure as it travels. */
export function messageFromError(error: TrtdError): ErrorMessage {
  return { code: error.code, message: error.message, remedy: error.remedy };
}

/** The failure that was sent. */
export function errorFromMessage(message: ErrorMessage): TrtdError {
  return new TrtdError(message.code as keyof typeof ERRORS, message.message, { remedy: message.remedy });
}
