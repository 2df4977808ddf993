/** Failures as problem documents (RFC 9457). */
import { ERRORS, TrtdError } from "../errors.ts";
import { withoutSecrets } from "../secrets.ts";

export const PROBLEM_TYPE = "application/problem+json";

/** The body of every error answer. */
export interface Problem {
  /** A name, not an address: `urn:trtd:problem:` and the code. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** A row of `ERRORS`; stable. */
  readonly code: string;
  readonly remedy: string;
  readonly request_id: string;
}

/** The document for an error. What trtd did not foresee is told in the log alone. */
export function problemFrom(error: TrtdError, requestId: string): Problem {
  return {
    type: `urn:trtd:problem:${error.code}`,
    title: ERRORS[error.code].summary,
    status: ERRORS[error.code].http,
    detail: publicDetail(error),
    code: error.code,
    remedy: error.remedy,
    request_id: requestId,
  };
}

/** The particular of an error that a stranger may read. */
export function publicDetail(error: TrtdError): string {
  return error.code === "INTERNAL" ? "The server's log tells more under the request id" : withoutSecrets(error.message);
}

/** Headers that go with an error whatever the form of its body. */
export function errorHeaders(error: TrtdError): Record<string, string> {
  const headers: Record<string, string> = {};
  if (error.retryAfterS !== undefined) headers["Retry-After"] = String(error.retryAfterS);
  else if (ERRORS[error.code].http === 503) headers["Retry-After"] = "1";
  if (error.code === "API_KEY_MISSING") headers["WWW-Authenticate"] = 'Bearer realm="trtd"';
  if (error.code === "API_KEY_WRONG") headers["WWW-Authenticate"] = 'Bearer realm="trtd", error="invalid_token"';
  if (CLOSING.has(error.code)) headers["Connection"] = "close";
  return headers;
}

/** After these the rest of the request cannot be trusted or is not wanted. */
const CLOSING: ReadonlySet<string> = new Set(["BODY_TIMEOUT", "SHUTTING_DOWN"]);

/** The answer for an error. */
export function problemResponse(
  error: TrtdError,
  requestId: string,
  extra: { headers?: Record<string, string>; members?: Record<string, unknown> } = {},
): Response {
  const problem = problemFrom(error, requestId);
  return new Response(JSON.stringify({ ...problem, ...extra.members }), {
    status: problem.status,
    headers: { "Content-Type": PROBLEM_TYPE, ...errorHeaders(error), ...extra.headers },
  });
}
