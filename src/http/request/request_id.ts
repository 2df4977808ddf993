/** Names of requests: in every answer, problem document and log line. */

/** What a client may choose: 1 to 64 letters, digits, dots, dashes and underscores. */
const ALLOWED = /^[A-Za-z0-9._-]{1,64}$/;

/** The client's `X-Request-Id` where it is allowed, else a new UUID. */
export function requestIdFrom(header: string | undefined): string {
  return header !== undefined && ALLOWED.test(header) ? header : crypto.randomUUID();
}
