/** Health and models. */
import { TrtdError } from "../../errors.ts";
import type { Model } from "../../models/model.ts";
import { servedModel } from "./detect_routes.ts";
import { problemResponse } from "../problem.ts";
import type { ModelAnswer, Readiness } from "../openapi/schemas.ts";
import type { AppContext, Served } from "../service.ts";

/** `GET /health/live`: the process answers. */
export function liveHandler(): (c: AppContext) => Response {
  return (c) => c.json({ status: "live" });
}

/** `GET /health/ready`: 200 when pictures are answered; else 503, a problem document with the same members. */
export function readyHandler(served: Served): (c: AppContext) => Response {
  return (c) => {
    const readiness = readinessOf(served);
    if (readiness.status === "ready") return c.json(readiness);
    const reason = served.service.state.reason ??
      (served.service.state.status === "ready" ? "The cache of engines is being compared with this machine" : null);
    const error = readiness.status === "stopping"
      ? new TrtdError("SHUTTING_DOWN", "The server is stopping")
      : new TrtdError("MODEL_NOT_READY", reason ?? "The model is being loaded", {
        retryAfterS: served.service.state.retryAfterS ?? 1,
      });
    const { status, ...members } = readiness;
    return problemResponse(error, c.var.requestId, { members: { ...members, state: status } });
  };
}

/** `GET /v1/models` */
export function modelsHandler(served: Served): (c: AppContext) => Response {
  return (c) => c.json({ models: served.models.map((model) => modelAnswer(served, model)) });
}

/** `GET /v1/models/NAME` */
export function modelHandler(served: Served): (c: AppContext) => Response {
  return (c) => {
    const name = servedModel(served, c.req.param("name")!);
    return c.json(modelAnswer(served, served.models.find((model) => model.name === name)!));
  };
}

/** `GET /v1/status/ping`: how CodeProject.AI clients ask whether the server is there. */
export function pingHandler(): (c: AppContext) => Response {
  return (c) => c.json({ success: true });
}

function readinessOf({ service, engines, builds, models }: Served): Readiness {
  const { workers, queue, status: state } = service.state;
  const status = state === "ready" && engines.pending ? "starting" : state;
  const rows = models.map(({ name }) => {
    const loaded = service.models.find((model) => model.name === name);
    const build = builds.status(name);
    return {
      name,
      ready: !engines.pending && service.isReady(name),
      backend: loaded?.backend ?? null,
      build: build.state === "none" ? null : build,
    };
  });
  const degraded = rows.map((row) => row.backend?.degraded).find((reason) => typeof reason === "string") ?? null;
  return { status, degraded, models: rows, workers: { ...workers }, queue: { ...queue } };
}

function instancesOf(service: Served["service"], model: string): ModelAnswer["instances"] {
  const states = service.modelStates.find((state) => state.model === model)?.instances ?? [];
  return states.map(({ place: { gpu }, status, backend, pid, reason }) => ({
    gpu: gpu === null ? null : { index: gpu.index, name: gpu.name, uuid: gpu.uuid },
    status,
    backend,
    pid,
    reason,
  }));
}

function modelAnswer({ service, engines, models }: Served, model: Model): ModelAnswer {
  const loaded = service.models.find(({ name }) => name === model.name);
  const { manifest } = model;
  const labels = loaded?.labels ?? manifest.labels;
  return {
    name: model.name,
    default: model === models[0],
    ready: service.isReady(model.name),
    labels: labels === undefined ? null : [...labels],
    backend: loaded?.backend ?? null,
    instances: instancesOf(service, model.name),
    engine: engines.status(model.name),
    description: manifest.description ?? null,
    license: manifest.license ?? null,
  };
}
