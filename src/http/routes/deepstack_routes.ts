/**
 * The vision API that DeepStack and CodeProject.AI clients speak: Blue Iris, Frigate's `deepstack` detector, Home
 * Assistant. Sources: codeproject.github.io/codeproject.ai/api/api_reference.html; Frigate's
 * frigate/detectors/plugins/deepstack.py (reads `predictions` with label, confidence and integer corners);
 * docs.deepstack.cc (min_confidence 0.4, custom models under /v1/vision/custom/NAME).
 */
import { ERRORS, TrtdError } from "../../errors.ts";
import type { ServingAnswer } from "../../serving/manager/manager.ts";
import { detectOptions, detectUpload, servedModel } from "./detect_routes.ts";
import { checkedParameters } from "../request/parameters.ts";
import { errorHeaders, publicDetail } from "../problem.ts";
import { deepstackFieldsSchema } from "../openapi/schemas.ts";
import type { AppContext, Served } from "../service.ts";

/** Both servers' default for `min_confidence`. */
const DEFAULT_CONFIDENCE = 0.4;

const MODULE = { moduleId: "trtd", moduleName: "trtd" } as const;

/** `POST /v1/vision/detection`, and `POST /v1/vision/custom/NAME` for a model by name. */
export function visionHandler(served: Served): (c: AppContext) => Promise<Response> {
  return async (c) => {
    const custom = c.req.param("name");
    const model = c.var.key === undefined ? modelForForm(served, custom) : servedModel(served, custom);
    const answer = await detectUpload(c, served, {
      model,
      annotate: false,
      formOnly: true,
      admit: async (fields) => {
        if (c.var.key === undefined) c.set("key", (await served.guard.admitKey(fields.get("api_key"))).key);
      },
      options: (fields) => {
        const known = [...fields].filter(([name]) => name === "min_confidence");
        const { min_confidence } = checkedParameters(known, deepstackFieldsSchema, ["min_confidence"]);
        return detectOptions(served, model, { score: min_confidence ?? served.settings.score ?? DEFAULT_CONFIDENCE });
      },
    });
    return c.json(visionAnswer(answer, performance.now() - c.var.arrivedMs, custom !== undefined));
  };
}

/** Which models there are is told to those alone who have a key, and it is still to come. */
function modelForForm(served: Served, name: string | undefined): string {
  try {
    return servedModel(served, name);
  } catch {
    throw new TrtdError("API_KEY_MISSING", "The request has no API key in its headers");
  }
}

/** `/v1/vision/custom/list` */
export function visionListHandler(served: Served): (c: AppContext) => Response {
  return (c) => c.json({ success: true, models: served.models.map((model) => model.name), ...MODULE, code: 200 });
}

/** A failure as these clients read it, with the status that other routes would answer. */
export function visionErrorResponse(error: TrtdError, requestId: string): Response {
  const status = ERRORS[error.code].http;
  const body = {
    success: false,
    error: publicDetail(error),
    code: status,
    error_code: error.code,
    remedy: error.remedy,
    request_id: requestId,
  };
  return new Response(JSON.stringify(body), {
    status,
    headers: { "Content-Type": "application/json", ...errorHeaders(error) },
  });
}

function visionAnswer({ result }: ServingAnswer, roundTripMs: number, custom: boolean): Record<string, unknown> {
  const predictions = result.detections.map(({ label, score, box }) => ({
    label,
    confidence: score,
    x_min: Math.round(box.x1),
    y_min: Math.round(box.y1),
    x_max: Math.round(box.x2),
    y_max: Math.round(box.y2),
  }));
  const labels = [...new Set(predictions.map((prediction) => prediction.label))];
  return {
    success: true,
    message: labels.length === 0 ? "No objects found" : `Found ${labels.join(", ")}`,
    count: predictions.length,
    predictions,
    duration: roundTripMs / 1000,
    inferenceMs: Math.round(result.timings_ms.inference),
    processMs: Math.round(result.timings_ms.total),
    analysisRoundTripMs: Math.round(roundTripMs),
    ...MODULE,
    executionProvider: result.backend.name === "tensorrt" ? "TensorRT" : "CPU",
    canUseGPU: result.backend.name === "tensorrt",
    command: custom ? "custom" : "detect",
    code: 200,
  };
}
