/** Shapes of requests and answers: they validate, and `/openapi.json` is made from them. */
import { z } from "zod";
import { buildStatusSchema } from "../../serving/engine/build_messages.ts";
import { engineStatusSchema } from "../../serving/engine/engine_messages.ts";

/** Schemas that `/openapi.json` names. */
export const components = z.registry<{ id: string; description?: string }>();

const unit = (description: string) => z.number().min(0).max(1).describe(description);

/** Query of the detect routes. */
export const detectQuerySchema = z.strictObject({
  score: unit("Lowest score that is reported; default: the model's own").exactOptional(),
  iou: unit("Overlap from which the weaker of two boxes is dropped; default: the model's own").exactOptional(),
  max: z.number().int().min(1).max(5000).describe("Most detections; default 300").exactOptional(),
  classes: z.string().min(1).max(8192).describe("Only these labels, separated by commas").exactOptional(),
  annotate: z.enum(["0", "1", "false", "true"])
    .describe("1: answer the picture as a JPEG with the boxes drawn").exactOptional(),
});

export type DetectQuery = z.output<typeof detectQuerySchema>;

export const boxSchema = z.object({ x1: z.number(), y1: z.number(), x2: z.number(), y2: z.number() })
  .register(components, { id: "Box", description: "Corners in pixels of the upright original picture" });

export const detectionSchema = z.object({
  label: z.string(),
  class_id: z.number().int().min(0),
  score: z.number().min(0).max(1),
  box: boxSchema,
}).register(components, { id: "Detection" });

export const backendSchema = z.object({
  name: z.enum(["onnxruntime", "tensorrt"]),
  device: z.string().describe("For example cpu or cuda:0 with the GPU's name"),
  precision: z.enum(["f32", "fp16"]),
  engine: z.string().nullable().describe("Path of the engine file"),
  degraded: z.string().nullable().describe("Why a better backend is not used"),
}).register(components, { id: "Backend" });

const ms = z.number().min(0);

export const detectAnswerSchema = z.object({
  id: z.string().describe("The request id"),
  image: z.object({ width: z.number().int(), height: z.number().int() }),
  model: z.string(),
  backend: backendSchema,
  detections: z.array(detectionSchema).describe("Sorted by descending score"),
  timings_ms: z.object({ queue: ms, decode: ms, preprocess: ms, inference: ms, postprocess: ms, total: ms }),
}).register(components, { id: "DetectAnswer" });

export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  code: z.string().describe("Stable; clients may match on it"),
  remedy: z.string(),
  request_id: z.string(),
}).register(components, { id: "Problem", description: "RFC 9457 problem document" });

export const engineSchema = engineStatusSchema.register(components, {
  id: "Engine",
  description: "What the cache has for the model, as of the server's start; `backend` tells what answers",
});

export const instanceSchema = z.object({
  gpu: z.object({ index: z.number().int(), name: z.string(), uuid: z.string() }).nullable()
    .describe("The GPU that it was given; null where `device` does not name several"),
  status: z.enum(["starting", "ready", "restarting", "failed"]),
  backend: backendSchema.nullable().describe("Null while no worker holds the model"),
  pid: z.number().int().nullable().describe("Number of the worker process; null without one"),
  reason: z.string().nullable().describe("Why it does not answer"),
}).register(components, { id: "Instance", description: "One worker's place" });

export const modelSchema = z.object({
  name: z.string(),
  default: z.boolean().describe("Whether /v1/detect uses it"),
  ready: z.boolean(),
  labels: z.array(z.string()).nullable().describe("By class id; null until the model is loaded, unless declared"),
  backend: backendSchema.nullable().describe("Null until the model is loaded"),
  instances: z.array(instanceSchema).describe("Its workers, and on which GPU each is"),
  engine: engineSchema,
  description: z.string().nullable(),
  license: z.string().nullable(),
}).register(components, { id: "Model" });

export type ModelAnswer = z.output<typeof modelSchema>;

export const modelsSchema = z.object({ models: z.array(modelSchema) }).register(components, { id: "Models" });

export const liveSchema = z.object({ status: z.literal("live") }).register(components, { id: "Live" });

export const buildSchema = buildStatusSchema.register(components, {
  id: "Build",
  description: "The build of an engine behind the service",
});

export const reloadSchema = z.object({ model: z.string(), backend: backendSchema.nullable() })
  .register(components, { id: "Reload", description: "What answers after the reload" });

export const readySchema = z.object({
  status: z.enum(["starting", "ready", "restarting", "building", "failed", "stopping"]),
  degraded: z.string().nullable().describe("Why a better backend is not used"),
  models: z.array(z.object({
    name: z.string(),
    ready: z.boolean(),
    backend: backendSchema.nullable(),
    build: buildSchema.nullable().describe("Null when no engine is or was to be built"),
  })),
  workers: z.object({ ready: z.number().int(), total: z.number().int() }),
  queue: z.object({ waiting: z.number().int(), running: z.number().int(), limit: z.number().int() }),
}).register(components, { id: "Readiness" });

export type Readiness = z.output<typeof readySchema>;

/** Text fields of a DeepStack or CodeProject.AI form; other fields are ignored, the guard reads `api_key`. */
export const deepstackFieldsSchema = z.object({
  min_confidence: unit("Lowest confidence that is reported; default 0.4").exactOptional(),
});

export const deepstackAnswerSchema = z.object({
  success: z.literal(true),
  message: z.string(),
  count: z.number().int(),
  predictions: z.array(z.object({
    label: z.string(),
    confidence: z.number().min(0).max(1),
    x_min: z.number().int(),
    y_min: z.number().int(),
    x_max: z.number().int(),
    y_max: z.number().int(),
  })),
  duration: z.number().describe("Seconds, as DeepStack counts"),
  inferenceMs: z.number().int(),
  processMs: z.number().int(),
  analysisRoundTripMs: z.number().int(),
  moduleId: z.string(),
  moduleName: z.string(),
  executionProvider: z.string(),
  canUseGPU: z.boolean(),
  command: z.string(),
  code: z.literal(200),
}).register(components, { id: "DeepStackAnswer" });

export const deepstackErrorSchema = z.object({
  success: z.literal(false),
  error: z.string(),
  code: z.number().int().describe("The HTTP status"),
  error_code: z.string().describe("The code of the problem document that other routes would answer"),
  request_id: z.string(),
}).register(components, { id: "DeepStackError" });

export const deepstackListSchema = z.object({
  success: z.literal(true),
  models: z.array(z.string()),
  moduleId: z.string(),
  moduleName: z.string(),
  code: z.literal(200),
}).register(components, { id: "DeepStackModels" });
