/** `POST /v1/detect` and `POST /v1/models/NAME/detect`, and what the DeepStack routes share with them. */
import { TrtdError } from "../../errors.ts";
import type { DetectOptions } from "../../detect/detection.ts";
import { MODEL_NAME } from "../../models/confine.ts";
import { pictureFile } from "../../serving/detection_worker.ts";
import type { ServingAnswer } from "../../serving/manager/manager.ts";
import { readBody } from "../request/body.ts";
import { checkedParameters } from "../request/parameters.ts";
import { checkContentHeaders, checkPicture, type Upload, uploadFrom } from "../request/picture.ts";
import { type DetectQuery, detectQuerySchema } from "../openapi/schemas.ts";
import type { AppContext, Served } from "../service.ts";

/** A handler for the default model, or for the one that the path names. */
export function detectHandler(served: Served): (c: AppContext) => Promise<Response> {
  return async (c) => {
    const model = servedModel(served, c.req.param("name"));
    const query = checkedParameters(queryOf(c), detectQuerySchema, ["score", "iou", "max"]);
    const annotate = query.annotate === "1" || query.annotate === "true";
    const options = detectOptions(served, model, query);
    const answer = await detectUpload(c, served, { model, annotate, formOnly: false, options: () => options });
    const { result, annotated, queueMs } = answer;
    if (annotated !== null) {
      return new Response(annotated, {
        headers: { "Content-Type": "image/jpeg", "X-Detections": String(result.detections.length) },
      });
    }
    const timings_ms = { queue: Math.round(queueMs * 1000) / 1000, ...result.timings_ms };
    return c.json({ id: c.var.requestId, ...result, timings_ms });
  };
}

export interface UploadRequest {
  readonly model: string;
  readonly annotate: boolean;
  /** Whether a raw picture is refused. */
  readonly formOnly: boolean;
  /** Let the request in by its fields, where its headers could not. @throws {TrtdError} `API_KEY_MISSING`, `API_KEY_WRONG` */
  admit?(fields: ReadonlyMap<string, string>): Promise<void>;
  /** Options, once the form's fields are known. */
  options(fields: ReadonlyMap<string, string>): DetectOptions;
}

/**
 * Read the request's picture and detect on it.
 * @throws {TrtdError} every code of the picture, the body and the queue
 */
export async function detectUpload(c: AppContext, served: Served, request: UploadRequest): Promise<ServingAnswer> {
  const { service, settings, budget } = served;
  const contentType = c.req.header("content-type");
  checkContentHeaders(contentType, c.req.header("content-encoding"), request.formOnly);
  const timeoutMs = timeoutFrom(c.req.header("x-request-timeout-ms"));
  service.admit(request.model);
  const declared = c.req.header("content-length");
  const body = await readBody(c.env.incoming, {
    maxBytes: settings.max_body_bytes,
    timeoutMs: settings.body_timeout_ms - (performance.now() - c.var.arrivedMs),
    declaredBytes: declared === undefined ? null : Number(declared),
    budget,
  });
  try {
    const upload: Upload = uploadFrom(contentType!, body);
    await request.admit?.(upload.fields);
    const options = request.options(upload.fields);
    checkPicture(upload, settings.max_pixels);
    const answer = await service.detect({
      model: request.model,
      picture: pictureFile(upload.picture),
      options,
      annotate: request.annotate,
      arrivedMs: c.var.arrivedMs,
      signal: c.var.gone,
      requestId: c.var.requestId,
      ...(timeoutMs === null ? {} : { timeoutMs }),
    });
    c.set("timings", { queue: answer.queueMs, ...answer.result.timings_ms });
    return answer;
  } finally {
    budget.give(body.length);
  }
}

/**
 * Milliseconds of `X-Request-Timeout-Ms`; null without it. The server's own time is the longest all the same.
 * @throws {TrtdError} `PARAMETER_INVALID`
 */
function timeoutFrom(header: string | undefined): number | null {
  if (header === undefined) return null;
  if (/^[1-9]\d{0,8}$/.test(header.trim())) return Number(header);
  throw new TrtdError(
    "PARAMETER_INVALID",
    `The header "X-Request-Timeout-Ms" must be a whole number of milliseconds from 1, it is "${header.slice(0, 80)}"`,
  );
}

/**
 * The name of a served model; without a name, the default.
 * @throws {TrtdError} `MODEL_NAME_INVALID`, `MODEL_NOT_FOUND`
 */
export function servedModel({ models }: Served, name: string | undefined): string {
  if (name === undefined) return models[0]!.name;
  const found = models.find((model) => model.name === name);
  if (found !== undefined) return found.name;
  if (!MODEL_NAME.test(name)) {
    throw new TrtdError("MODEL_NAME_INVALID", `The name "${name.slice(0, 80)}" is not allowed`);
  }
  throw new TrtdError("MODEL_NOT_FOUND", `The model "${name}" is not served here`, {
    remedy: "GET /v1/models lists the models that are served; start the server with --model to add one",
  });
}

/** Parameters of the address, in order, repeated ones included. */
export function queryOf(c: AppContext): URLSearchParams {
  return new URL(c.req.url).searchParams;
}

/** A request's wishes over the server's settings. */
export function detectOptions(served: Served, model: string, query: DetectQuery): DetectOptions {
  const { settings } = served;
  const score = query.score ?? settings.score;
  const iou = query.iou ?? settings.iou;
  const max = query.max ?? settings.max;
  const classes = query.classes === undefined ? settings.classes : namedClasses(served, model, query.classes);
  return {
    ...(score === undefined ? {} : { score }),
    ...(iou === undefined ? {} : { iou }),
    ...(max === undefined ? {} : { max }),
    ...(classes === undefined ? {} : { classes }),
  };
}

function namedClasses(served: Served, model: string, text: string): string[] {
  const labels = served.service.models.find((loaded) => loaded.name === model)?.labels;
  const classes = text.split(",").map((label) => label.trim());
  const unknown = labels && classes.find((label) => !labels.includes(label));
  if (unknown !== undefined) {
    throw new TrtdError(
      "PARAMETER_INVALID",
      `The parameter "classes" names "${unknown.slice(0, 80)}", which is not a label`,
      {
        remedy: `GET /v1/models/${model} lists the labels`,
      },
    );
  }
  return classes;
}
