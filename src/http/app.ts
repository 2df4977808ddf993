/** The Hono application: what happens before and after each route. */
import { getLogger } from "@logtape/logtape";
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { TrtdError, trtdErrorFrom } from "../errors.ts";
import type { Access } from "./access/route_access.ts";
import { visionErrorResponse } from "./routes/deepstack_routes.ts";
import { NO_ROUTE } from "./metrics/metrics.ts";
import { problemResponse } from "./problem.ts";
import { requestIdFrom } from "./request/request_id.ts";
import { allowedMethods, routesFor } from "./routes/routes.ts";
import { serverTiming } from "./server_timing.ts";
import type { AppContext, AppEnv, Served } from "./service.ts";

const log = getLogger(["trtd", "http"]);

/** Sent with every answer. */
const SAFE_HEADERS = {
  "X-Content-Type-Options": "nosniff",
  "Cache-Control": "no-store",
} as const;

/** Paths that are asked all the time. */
const QUIET = /^\/(health\/|metrics$)/;

const ACCESS_LINE = "{method} {path} {status} {ms} ms {request_id}";
const ACCESS_LINE_OF_ERROR = "{method} {path} {status} {code} {ms} ms {request_id}";

/** Routes, request ids, problem documents and one log line a request. */
export function createApp(served: Served): Hono<AppEnv> {
  const routes = routesFor(served);
  const app = new Hono<AppEnv>({ strict: true });
  const refusal = (c: AppContext, error: TrtdError, headers?: Record<string, string>) => {
    served.metrics.error(error);
    c.set("code", error.code);
    return errorResponse(c, error, headers);
  };

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
    const ms = performance.now() - c.var.arrivedMs;
    c.res.headers.set("Server-Timing", serverTiming(c.var.timings, ms));
    served.metrics.request(c.var.route, { status: c.res.status, ms });
    const level = QUIET.test(c.req.path) ? "debug" : "info";
    const { code } = c.var;
    log[level](code === undefined ? ACCESS_LINE : ACCESS_LINE_OF_ERROR, {
      method: c.req.method,
      path: c.req.path,
      status: c.res.status,
      ms: Math.round(ms),
      request_id: c.var.requestId,
      route: c.var.route,
      ...(code === undefined ? {} : { code }),
      ...(c.var.key ? { key: c.var.key } : {}),
    });
  });

  for (const { method, path, handle, access } of routes) {
    app.on(method, path, async (c) => {
      c.set("route", path);
      if (access !== "open") await admit(served, c, access);
      return await handle(c);
    });
  }

  app.notFound((c) => {
    const allowed = allowedMethods(routes, c.req.path);
    if (allowed.length > 0 && c.req.method === "OPTIONS") {
      return new Response(null, { status: 204, headers: { "Allow": allowed.join(", ") } });
    }
    if (allowed.length > 0) {
      const error = new TrtdError("METHOD_NOT_ALLOWED", `"${c.req.path}" does not take ${c.req.method}`);
      return refusal(c, error, { "Allow": allowed.join(", ") });
    }
    return refusal(c, new TrtdError("ROUTE_NOT_FOUND", `There is no route "${c.req.path.slice(0, 200)}"`));
  });

  app.onError((thrown, c) => {
    const error = thrown instanceof HTTPException
      ? new TrtdError("REQUEST_INVALID", thrown.message, { cause: thrown })
      : trtdErrorFrom(thrown);
    if (error.code === "INTERNAL") {
      const cause = error.cause instanceof Error ? error.cause : error;
      log.error("{method} {path} failed {request_id}: {stack}", {
        method: c.req.method,
        path: c.req.path,
        request_id: c.var.requestId,
        stack: cause.stack,
      });
    }
    return refusal(c, error);
  });

  return app;
}

/** A form's key is known only when its body is there: then the handler asks for it. */
async function admit({ guard }: Served, c: AppContext, access: Access): Promise<void> {
  try {
    const { key } = await guard.admit({ header: (name) => c.req.header(name), peer: c.env.peer });
    c.set("key", key);
  } catch (error) {
    const later = access === "form" && error instanceof TrtdError && error.code === "API_KEY_MISSING" &&
      /^multipart\/form-data\b/i.test(c.req.header("content-type") ?? "");
    if (!later) throw error;
  }
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
