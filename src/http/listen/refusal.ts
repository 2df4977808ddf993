/** Answers that are given outside the application: to broken requests, and to connections without one. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { getLogger } from "@logtape/logtape";
import type { TrtdError } from "../../errors.ts";
import { errorHeaders, PROBLEM_TYPE, problemFrom } from "../problem.ts";
import { serverTiming } from "../server_timing.ts";
import { requestIdFrom } from "../request/request_id.ts";

const log = getLogger(["trtd", "http"]);

/** How long a refused client may go on sending before the connection is cut. */
export const LINGER_MS = 500;

/**
 * Answer a request that the application does not see.
 * @param refusal.arrivedMs `performance.now()` when its head had arrived
 * @param refusal.closes whether the connection ends with the answer
 */
export function refuse(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  { error, arrivedMs, closes }: { readonly error: TrtdError; readonly arrivedMs: number; readonly closes: boolean },
): void {
  const id = requestIdFrom(headerText(incoming, "x-request-id"));
  const ms = performance.now() - arrivedMs;
  log.info("{method} {path} {status} {code} {ms} ms {request_id}", {
    method: incoming.method,
    path: incoming.url?.replace(/[?#].*/s, ""),
    status: error.row.http,
    code: error.code,
    ms: Math.round(ms),
    request_id: id,
  });
  const body = JSON.stringify(problemFrom(error, id));
  outgoing.writeHead(error.row.http, {
    ...plainHeaders(error, id),
    "Content-Length": new TextEncoder().encode(body).length,
    "Server-Timing": serverTiming(undefined, ms),
    ...closes ? { "Connection": "close" } : {},
  });
  outgoing.end(incoming.method === "HEAD" ? undefined : body);
}

/**
 * Take what the client still sends of an answered request and forget it: closing at once would reset the connection,
 * and the client might never read the answer.
 */
export function discardRest(incoming: IncomingMessage): void {
  if (incoming.complete || incoming.destroyed) return;
  incoming.on("error", () => {});
  const timer = setTimeout(() => incoming.socket?.destroy(), LINGER_MS);
  for (const event of ["end", "close"]) incoming.once(event, () => clearTimeout(timer));
  incoming.resume();
}

/** Answer a connection whose request never became one. */
export function endSocket(socket: Duplex, error: TrtdError): void {
  socket.on("error", () => {});
  socket.end(rawAnswer(error));
  setTimeout(() => socket.destroy(), LINGER_MS);
}

/** A whole answer, for connections without a request. */
export function rawAnswer(error: TrtdError): Uint8Array {
  const id = requestIdFrom(undefined);
  log.info("{status} {request_id}: {detail}", { status: error.row.http, request_id: id, detail: error.message });
  const body = new TextEncoder().encode(JSON.stringify(problemFrom(error, id)));
  const headers = { ...plainHeaders(error, id), "Content-Length": String(body.length), "Connection": "close" };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const head = `HTTP/1.1 ${error.row.http} ${STATUS_TEXTS[error.row.http] ?? "Error"}\r\n${lines}\r\n`;
  return Uint8Array.of(...new TextEncoder().encode(head), ...body);
}

const STATUS_TEXTS: Readonly<Record<number, string>> = {
  400: "Bad Request",
  405: "Method Not Allowed",
  408: "Request Timeout",
  431: "Request Header Fields Too Large",
};

/** Headers of a problem document without an application. */
export function plainHeaders(error: TrtdError, id: string): Record<string, string> {
  return {
    "Content-Type": PROBLEM_TYPE,
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "X-Request-Id": id,
    ...errorHeaders(error),
  };
}

function headerText(incoming: IncomingMessage, name: string): string | undefined {
  const value = incoming.headers[name];
  return typeof value === "string" ? value : undefined;
}
