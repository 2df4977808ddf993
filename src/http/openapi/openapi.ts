/** The OpenAPI 3.1 document, from the schemas that validate. */
import { z } from "zod";
import { type ErrorCode, ERRORS } from "../../errors.ts";
import { VERSION } from "../../version.ts";
import { accessOf } from "../access/route_access.ts";
import { PROBLEM_TYPE } from "../problem.ts";
import { components, deepstackFieldsSchema, detectQuerySchema } from "./schemas.ts";

type Json = Record<string, unknown>;

/** What the guard answers. */
const ACCESS_CODES = [
  "API_KEY_MISSING",
  "API_KEY_WRONG",
  "NETWORK_REFUSED",
  "HOST_REFUSED",
  "ORIGIN_REFUSED",
] as const satisfies readonly ErrorCode[];

/** The ways to send a key; a server may also ask for none. */
const SECURITY_SCHEMES = {
  bearer: { type: "http", scheme: "bearer" },
  header: { type: "apiKey", in: "header", name: "X-API-Key" },
} as const;

/** What the document says of one route. */
interface Operation {
  readonly summary: string;
  readonly tag: "detection" | "models" | "health" | "metrics" | "vision" | "documents";
  /** Media types and schemas of the answer with status 200; a text is the name of a component. */
  readonly answer: Readonly<Record<string, string | Json>>;
  readonly query?: z.ZodObject;
  readonly body?: Readonly<Record<string, Json>>;
  /** Codes beyond those that every route can answer. */
  readonly codes: readonly ErrorCode[];
}

const BINARY = { type: "string", format: "binary" } as const;
const JSON_TYPE = "application/json";

const PICTURE_CODES = [
  "PARAMETER_INVALID",
  "MULTIPART_INVALID",
  "REQUEST_INVALID",
  "BODY_TIMEOUT",
  "BODY_TOO_LARGE",
  "IMAGE_TOO_MANY_PIXELS",
  "CONTENT_TYPE_UNSUPPORTED",
  "CONTENT_ENCODING_UNSUPPORTED",
  "IMAGE_TYPE_UNSUPPORTED",
  "IMAGE_TYPE_MISMATCH",
  "IMAGE_EMPTY",
  "IMAGE_CORRUPT",
  "IMAGE_DIMENSIONS_INVALID",
  "INFERENCE_FAILED",
  "MODEL_NOT_READY",
  "QUEUE_FULL",
  "WORKER_DIED",
  "DEADLINE_EXCEEDED",
] as const satisfies readonly ErrorCode[];

const NAMED_CODES = ["MODEL_NAME_INVALID", "MODEL_NOT_FOUND"] as const satisfies readonly ErrorCode[];

const form = (fields: Json): Json => ({
  schema: { type: "object", required: ["image"], properties: { image: BINARY, ...fields } },
});

const PICTURE_BODY = {
  "image/jpeg": { schema: BINARY },
  "image/png": { schema: BINARY },
  "image/webp": { schema: BINARY },
  "application/octet-stream": { schema: BINARY },
  "multipart/form-data": form({}),
};

const detect = (summary: string, codes: readonly ErrorCode[]): Operation => ({
  summary,
  tag: "detection",
  query: detectQuerySchema,
  body: PICTURE_BODY,
  answer: { [JSON_TYPE]: "DetectAnswer", "image/jpeg": BINARY },
  codes: [...PICTURE_CODES, ...codes],
});

const vision = (summary: string, codes: readonly ErrorCode[]): Operation => ({
  summary,
  tag: "vision",
  body: { "multipart/form-data": form(schemaOf(deepstackFieldsSchema)["properties"] as Json) },
  answer: { [JSON_TYPE]: "DeepStackAnswer" },
  codes: [...PICTURE_CODES, ...codes],
});

const visionList: Operation = {
  summary: "Names of the served models",
  tag: "vision",
  answer: { [JSON_TYPE]: "DeepStackModels" },
  codes: [],
};

/** By method and path, as in the table of routes. */
const OPERATIONS: () => Readonly<Record<string, Operation>> = () => ({
  "POST /v1/detect": detect("Detect objects with the default model", []),
  "POST /v1/models/:name/detect": detect("Detect objects with a model", NAMED_CODES),
  "GET /v1/models": { summary: "The served models", tag: "models", answer: { [JSON_TYPE]: "Models" }, codes: [] },
  "GET /v1/models/:name": {
    summary: "One served model",
    tag: "models",
    answer: { [JSON_TYPE]: "Model" },
    codes: NAMED_CODES,
  },
  "GET /v1/models/:name/build": {
    summary: "The build of the model's engine; with Accept: text/event-stream an event for each change",
    tag: "models",
    answer: { [JSON_TYPE]: "Build", "text/event-stream": { type: "string" } },
    codes: NAMED_CODES,
  },
  "DELETE /v1/models/:name/build": {
    summary: "Cancel the build of the model's engine",
    tag: "models",
    answer: { [JSON_TYPE]: "Build" },
    codes: [...NAMED_CODES, "BUILD_NOT_RUNNING"],
  },
  "POST /v1/models/:name/reload": {
    summary: "Read the model again: a new worker takes over, the old one answers until then",
    tag: "models",
    answer: { [JSON_TYPE]: "Reload" },
    codes: [...NAMED_CODES, "MODEL_NOT_READY", "MODEL_LOAD_FAILED"],
  },
  "GET /health/live": { summary: "The process answers", tag: "health", answer: { [JSON_TYPE]: "Live" }, codes: [] },
  "GET /health/ready": {
    summary: "Pictures are answered",
    tag: "health",
    answer: { [JSON_TYPE]: "Readiness" },
    codes: ["MODEL_NOT_READY"],
  },
  "GET /metrics": {
    summary: "Counters and gauges for Prometheus",
    tag: "metrics",
    answer: { "text/plain": { type: "string" } },
    codes: [],
  },
  "POST /v1/vision/detection": vision("Detect objects, as DeepStack and CodeProject.AI do", []),
  "POST /v1/vision/custom/:name": vision("Detect objects with a model, as DeepStack does", NAMED_CODES),
  "POST /v1/vision/custom/list": visionList,
  "GET /v1/vision/custom/list": visionList,
  "GET /v1/status/ping": {
    summary: "Whether the server is there, as CodeProject.AI answers",
    tag: "vision",
    answer: { [JSON_TYPE]: { type: "object", properties: { success: { const: true } }, required: ["success"] } },
    codes: [],
  },
  "GET /openapi.json": {
    summary: "This document",
    tag: "documents",
    answer: { [JSON_TYPE]: { type: "object" } },
    codes: [],
  },
  "GET /docs": {
    summary: "This document as a page",
    tag: "documents",
    answer: { "text/html": { type: "string" } },
    codes: [],
  },
  "GET /docs/:file": {
    summary: "Files of the page",
    tag: "documents",
    answer: { "text/javascript": { type: "string" }, "text/css": { type: "string" } },
    codes: ["ROUTE_NOT_FOUND"],
  },
});

/** The document for all routes. */
export function openApiDocument(): Json {
  const paths: Record<string, Json> = {};
  for (const [key, operation] of Object.entries(OPERATIONS())) {
    const [method, path] = key.split(" ") as [string, string];
    const template = path.replace(/:(\w+)/g, "{$1}");
    (paths[template] ??= {})[method.toLowerCase()] = operationObject(operation, method, path);
  }
  return {
    openapi: "3.1.0",
    info: { title: "trtd", version: VERSION, license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    paths,
    components: { schemas: componentSchemas(), securitySchemes: SECURITY_SCHEMES },
  };
}

function operationObject(operation: Operation, method: string, path: string): Json {
  const { summary, tag, answer, query, body, codes } = operation;
  const open = accessOf(method, path) === "open";
  const errorBody = path.startsWith("/v1/vision/")
    ? { [JSON_TYPE]: { schema: reference("DeepStackError") } }
    : { [PROBLEM_TYPE]: { schema: reference("Problem") } };
  const parameters = [...pathParameters(path), ...queryParameters(query)];
  const content = Object.fromEntries(
    Object.entries(answer).map(([type, schema]) => [
      type,
      { schema: typeof schema === "string" ? reference(schema) : schema },
    ]),
  );
  const responses: Record<string, Json> = { "200": { description: "Done", content } };
  for (const [status, named] of codesByStatus([...codes, ...open ? [] : ACCESS_CODES, "SHUTTING_DOWN", "INTERNAL"])) {
    responses[status] = { description: named.join(", "), content: errorBody };
  }
  return {
    summary,
    tags: [tag],
    security: open ? [] : [{ bearer: [] }, { header: [] }, {}],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, content: body } }),
    responses,
  };
}

function pathParameters(path: string): Json[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
}

function queryParameters(query: z.ZodObject | undefined): Json[] {
  if (query === undefined) return [];
  const properties = schemaOf(query)["properties"] as Record<string, Json>;
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: "query",
    required: false,
    ...(description === undefined ? {} : { description }),
    schema,
  }));
}

function codesByStatus(codes: readonly ErrorCode[]): [string, string[]][] {
  const found = new Map<string, string[]>();
  for (const code of codes) {
    const status = String(ERRORS[code].http);
    found.set(status, [...found.get(status) ?? [], code]);
  }
  return [...found].sort(([a], [b]) => a.localeCompare(b));
}

function componentSchemas(): Json {
  const { schemas } = z.toJSONSchema(components, { uri: (id) => `#/components/schemas/${id}` });
  return Object.fromEntries(
    Object.entries(schemas).map(([id, schema]) => [id, without(schema as Json)]),
  );
}

function schemaOf(schema: z.ZodType): Json {
  return without(z.toJSONSchema(schema) as Json);
}

/** OpenAPI names schemas by their place, not by `$id`. */
function without({ $id: _id, id: _name, $schema: _schema, ...rest }: Json): Json {
  return rest;
}

function reference(name: string): Json {
  return { $ref: `#/components/schemas/${name}` };
}
