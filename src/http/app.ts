/** The Hono application: what happens before and after each route. */
import { getLogger } from "@logtape/logtape";
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { TrtdError, trtdErrorFrom } from "../errors.ts";
import { visionErrorResponse } from "./deepstack_routes.ts";
import { NO_ROUTE } from "./metrics.ts";
import { problemResponse } from "./problem.ts";
import { requestIdFrom } from "./request_id.ts";
import { allowedMethods, routesFor } from "./routes.ts";
import type { AppContext, AppEnv, Served } from "./service.ts";

const log = getLogger(["trtd", "http"]);

/** Sent with every answer. */
const SAFE_HEADERS = {
  "X-Content-Type-Options": "nosniff",
  "Cache-Control": "no-store",
} as const;

/** Paths that are asked all the time. */
const QUIET = /^\/(health\/|metrics$)/;

/** Routes, request ids, problem documents and one log line a request. */
export function createApp(served: Served): Hono<AppEnv> {
  const routes = routesFor(served);
  const app = new Hono<AppEnv>({ strict: true });

  app.use(async (c, next) => {
    c.set("requestId", requestIdFrom(c.req.header("x-request-id")));
    c.set("route", NO_ROUTE);
    c.set("arrivedMs", performance.now());
    c.set("gone", goneSignal(c));
    await next();
    c.res.headers.set("X-Request-Id", c.var.requestId);
    for (const [name, value] of Object.entries(SAFE_HEADERS)) {
      if (!c.res.headers.has(name)) c.res.headers.set(name, value);
    }
    served.metrics.request(c.var.route, c.res.status);
    const level = QUIET.test(c.req.path) ? "debug" : "info";
    log[level]("{method} {path} {status} {ms} ms {id}", {
      method: c.req.method,
      path: c.req.path,
      status: c.res.status,
      ms: Math.round(performance.now() - c.var.arrivedMs),
      id: c.var.requestId,
    });
  });

  for (const { method, path, handle } of routes) {
    app.on(method, path, (c) => {
      c.set("route", path);
      return handle(c);
    });
  }

  app.notFound((c) => {
    const allowed = allowedMethods(routes, c.req.path);
    if (allowed.length > 0 && c.req.method === "OPTIONS") {
      return new Response(null, { status: 204, headers: { "Allow": allowed.join(", ") } });
    }
    if (allowed.length > 0) {
      const error = new TrtdError("METHOD_NOT_ALLOWED", `"${c.req.path}" does not take ${c.req.method}`);
      return errorResponse(c, error, { "Allow": allowed.join(", ") });
    }
    return errorResponse(c, new TrtdError("ROUTE_NOT_FOUND", `There is no route "${c.req.path.slice(0, 200)}"`));
  });

  app.onError((thrown, c) => {
    const error = thrown instanceof HTTPException
      ? new TrtdError("REQUEST_INVALID", thrown.message, { cause: thrown })
      : trtdErrorFrom(thrown);
    if (error.code === "INTERNAL") {
      const cause = error.cause instanceof Error ? error.cause : error;
      log.error("{method} {path} failed {id}: {stack}", {
        method: c.req.method,
        path: c.req.path,
        id: c.var.requestId,
        stack: cause.stack,
      });
    }
    return errorResponse(c, error);
  });

  return app;
}

function errorResponse(c: AppContext, error: TrtdError, headers: Record<string, string> = {}): Response {
  if (!c.req.path.startsWith("/v1/vision/")) return problemResponse(error, c.var.requestId, { headers });
  const response = visionErrorResponse(error, c.var.requestId);
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
  return response;
}

/** Aborts when the connection closes before the answer is out. */
function goneSignal(c: AppContext): AbortSignal {
  const controller = new AbortController();
  const { outgoing } = c.env;
  outgoing.once("close", () => {
    if (!outgoing.writableFinished) controller.abort();
  });
  return controller.signal;
}
