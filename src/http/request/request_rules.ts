/** Rules of HTTP/1.1 that one runtime's parser or another lets pass. */
import type { IncomingMessage } from "node:http";
import { TrtdError } from "../../errors.ts";

/** Most bytes of all header names and values. */
export const MAX_HEADER_BYTES = 16 * 1024;
/** Most header lines. */
export const MAX_HEADERS = 100;

/**
 * What is wrong with a request's head, null when nothing is.
 * Sources: RFC 9112 3.2 (exactly one Host), 6.1 (Transfer-Encoding with Content-Length), RFC 9110 10.1.1 (Expect).
 */
export function brokenRule(request: Pick<IncomingMessage, "rawHeaders" | "httpVersion" | "method">): TrtdError | null {
  const { rawHeaders } = request;
  let bytes = 0;
  const seen = new Map<string, string[]>();
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase();
    const value = rawHeaders[i + 1]!;
    bytes += name.length + value.length + 4;
    seen.set(name, [...seen.get(name) ?? [], value]);
  }
  if (bytes > MAX_HEADER_BYTES || rawHeaders.length > 2 * MAX_HEADERS) {
    return new TrtdError("HEADERS_TOO_LARGE", `The request has ${rawHeaders.length / 2} headers of ${bytes} bytes`);
  }
  const hosts = seen.get("host")?.length ?? 0;
  if (hosts > 1 || (hosts === 0 && request.httpVersion !== "1.0")) {
    return new TrtdError("REQUEST_INVALID", `The request has ${hosts} Host headers instead of one`);
  }
  const lengths = seen.get("content-length") ?? [];
  const codings = seen.get("transfer-encoding") ?? [];
  if (codings.length > 0 && lengths.length > 0) {
    return new TrtdError("REQUEST_INVALID", "The request has both Content-Length and Transfer-Encoding");
  }
  if (codings.length > 0 && codings.join().trim().toLowerCase() !== "chunked") {
    return new TrtdError("REQUEST_INVALID", "The request has a Transfer-Encoding other than chunked");
  }
  if (lengths.length > 1 || lengths.some((length) => !/^\d{1,15}$/.test(length))) {
    return new TrtdError("REQUEST_INVALID", "The request's Content-Length is not one number of bytes");
  }
  if (request.method === "CONNECT") {
    return new TrtdError("METHOD_NOT_ALLOWED", "This server is no proxy", { remedy: "Send the request itself" });
  }
  const expected = seen.get("expect")?.join().trim().toLowerCase();
  if (expected !== undefined && expected !== "100-continue") {
    return new TrtdError("EXPECTATION_FAILED", "The request expects something other than 100-continue");
  }
  return null;
}
