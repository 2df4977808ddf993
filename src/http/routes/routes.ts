/** Every route, once: the application, `Allow` headers and `/openapi.json` walk this table. */
import { type Access, accessOf } from "../access/route_access.ts";
import { buildHandler, cancelBuildHandler, reloadHandler } from "./build_routes.ts";
import { visionHandler, visionListHandler } from "./deepstack_routes.ts";
import { detectHandler } from "./detect_routes.ts";
import { docsFileHandler, docsHandler, openApiHandler } from "./docs_routes.ts";
import { liveHandler, modelHandler, modelsHandler, pingHandler, readyHandler } from "./info_routes.ts";
import { metricsHandler } from "../metrics/exposition.ts";
import type { AppContext, Served } from "../service.ts";

export interface Route {
  readonly method: "GET" | "POST" | "DELETE";
  /** Hono's form, `:name` for a parameter. */
  readonly path: string;
  readonly access: Access;
  handle(c: AppContext): Response | Promise<Response>;
}

/** The table for one server. Fixed paths stand before those with parameters. */
export function routesFor(served: Served): readonly Route[] {
  const list = visionListHandler(served);
  return [
    route("POST", "/v1/detect", detectHandler(served)),
    route("POST", "/v1/models/:name/detect", detectHandler(served)),
    route("GET", "/v1/models", modelsHandler(served)),
    route("GET", "/v1/models/:name", modelHandler(served)),
    route("GET", "/v1/models/:name/build", buildHandler(served)),
    route("DELETE", "/v1/models/:name/build", cancelBuildHandler(served)),
    route("POST", "/v1/models/:name/reload", reloadHandler(served)),
    route("GET", "/health/live", liveHandler()),
    route("GET", "/health/ready", readyHandler(served)),
    route("GET", "/metrics", metricsHandler(served)),
    route("POST", "/v1/vision/detection", visionHandler(served)),
    route("POST", "/v1/vision/custom/list", list),
    route("GET", "/v1/vision/custom/list", list),
    route("POST", "/v1/vision/custom/:name", visionHandler(served)),
    route("GET", "/v1/status/ping", pingHandler()),
    route("GET", "/openapi.json", openApiHandler()),
    route("GET", "/docs", docsHandler()),
    route("GET", "/docs/:file", docsFileHandler()),
  ];
}

function route(method: Route["method"], path: string, handle: Route["handle"]): Route {
  return { method, path, handle, access: accessOf(method, path) };
}

/** Methods of the routes that a path matches, HEAD and OPTIONS included; empty when there is no such path. */
export function allowedMethods(routes: readonly Route[], path: string): string[] {
  const methods = routes.filter((route) => matches(route.path, path)).map((route) => route.method);
  if (methods.length === 0) return [];
  return [...new Set([...methods, ...(methods.includes("GET") ? ["HEAD"] : []), "OPTIONS"])].sort();
}

function matches(pattern: string, path: string): boolean {
  const wanted = pattern.split("/");
  const given = path.split("/");
  return wanted.length === given.length &&
    wanted.every((part, i) => part.startsWith(":") ? given[i] !== "" : part === given[i]);
}
