/** Which routes are open; every other one is guarded. */

/**
 * Who gets to a route: `guarded` needs what the guard asks, `form` takes the key of a form's field as well and its handler
 * asks for it, `open` is for everybody.
 */
export type Access = "guarded" | "form" | "open";

/**
 * Health is open to whatever watches the service. The documents are the same in every trtd of a version, and a browser
 * that shows them sends no key. Metrics are guarded: they tell models and load, and Prometheus can send a key.
 */
const OPEN: ReadonlySet<string> = new Set([
  "GET /health/live",
  "GET /health/ready",
  "GET /v1/status/ping",
  "GET /openapi.json",
  "GET /docs",
  "GET /docs/:file",
]);

/** Clients of DeepStack and CodeProject.AI send the key as the field `api_key`. */
const FORM: ReadonlySet<string> = new Set(["POST /v1/vision/detection", "POST /v1/vision/custom/:name"]);

/** @param path as in the table of routes */
export function accessOf(method: string, path: string): Access {
  const route = `${method} ${path}`;
  return OPEN.has(route) ? "open" : FORM.has(route) ? "form" : "guarded";
}
