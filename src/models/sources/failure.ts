/** What went wrong with a download, by its cause. */
import { STATUS_CODES } from "node:http";
import { type ErrorCode, TrtdError } from "../../errors.ts";
import { shortText } from "../../onnx/quoted.ts";

/** Causes that another attempt may mend: the connection was there, or may be there in a moment. */
const TRANSIENT: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "DOWNLOAD_UNREACHABLE",
  "DOWNLOAD_STALLED",
  "DOWNLOAD_TRUNCATED",
]);

/** Statuses that another attempt may mend: RFC 9110, RFC 6585. */
const TRANSIENT_STATUS: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** A failure that {@link isTransient} lets be tried again. */
class TransientStatus extends TrtdError {}

/** Whether the same request may succeed in a moment. */
export const isTransient = (error: unknown): boolean =>
  error instanceof TransientStatus || error instanceof TrtdError && TRANSIENT.has(error.code);

/** Codes of undici, Node and the system, by what they mean. A code that is a prefix ends with `*`. */
const CAUSES: readonly (readonly [code: string, meaning: ErrorCode, sentence: string])[] = [
  ["ENOTFOUND", "DOWNLOAD_DNS", "has no address"],
  ["EAI_*", "DOWNLOAD_DNS", "has no address that DNS would tell"],
  ["ENODATA", "DOWNLOAD_DNS", "has no address"],
  ["ECONNREFUSED", "DOWNLOAD_UNREACHABLE", "refuses the connection"],
  ["EHOSTUNREACH", "DOWNLOAD_UNREACHABLE", "cannot be reached"],
  ["ENETUNREACH", "DOWNLOAD_UNREACHABLE", "is in a network that cannot be reached"],
  ["EADDRNOTAVAIL", "DOWNLOAD_UNREACHABLE", "cannot be reached"],
  ["ETIMEDOUT", "DOWNLOAD_UNREACHABLE", "does not take the connection"],
  ["UND_ERR_CONNECT_TIMEOUT", "DOWNLOAD_UNREACHABLE", "did not take the connection in time"],
  ["UND_ERR_HEADERS_TIMEOUT", "DOWNLOAD_STALLED", "took the request and did not answer"],
  ["UND_ERR_BODY_TIMEOUT", "DOWNLOAD_STALLED", "stopped sending"],
  ["UND_ERR_SOCKET", "DOWNLOAD_TRUNCATED", "closed the connection before the end"],
  ["ECONNRESET", "DOWNLOAD_TRUNCATED", "reset the connection"],
  ["EPIPE", "DOWNLOAD_TRUNCATED", "closed the connection"],
  ["UND_ERR_HEADERS_OVERFLOW", "DOWNLOAD_INVALID", "sends headers of more than 16 KB"],
  ["UND_ERR_RES_CONTENT_LENGTH_MISMATCH", "DOWNLOAD_TRUNCATED", "closed the connection before the end"],
  ["HPE_*", "DOWNLOAD_INVALID", "does not answer in HTTP"],
];

const TLS = /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_MISMATCH|EPROTO)/;
const TLS_TEXT = /certificate|\btls\b|\bssl\b|handshake|UnknownIssuer|corrupt message/i;

/** Whether an error came out of a TLS handshake; `UNKNOWN` is all that Deno 2.6 says of one. */
export function isTlsError(thrown: unknown): boolean {
  const { code, message } = partsOf(thrown);
  return TLS.test(code) || TLS_TEXT.test(message);
}

/**
 * The failure that stands for what a connection threw.
 * @param shown the source, without anything secret
 * @param host the host that was asked
 */
export function connectionFailure(thrown: unknown, shown: string, host: string): TrtdError {
  if (thrown instanceof TrtdError) return thrown;
  const { code, name, message } = partsOf(thrown);
  const row = CAUSES.find(([known]) => known.endsWith("*") ? code.startsWith(known.slice(0, -1)) : code === known);
  if (row !== undefined) {
    return new TrtdError(row[1], `Cannot download "${shown}": "${host}" ${row[2]}`, { cause: thrown });
  }
  if (isTlsError(thrown)) return tlsFailure(message, shown, host, thrown);
  if (name === "HTTPParserError") {
    return new TrtdError("DOWNLOAD_INVALID", `Cannot download "${shown}": "${host}" does not answer in HTTP`, {
      cause: thrown,
    });
  }
  const said = shortText(`${code} ${message}`.trim(), 200);
  return new TrtdError("DOWNLOAD_UNREACHABLE", `Cannot download "${shown}" from "${host}": ${said}`, { cause: thrown });
}

/** @param reason what TLS said */
export function tlsFailure(reason: string, shown: string, host: string, cause: unknown): TrtdError {
  const text = shortText(reason, 300);
  const why = /expired|CERT_HAS_EXPIRED/i.test(text)
    ? "its certificate has expired"
    : /altname|not valid for name|NotValidForName|hostname/i.test(text)
    ? "its certificate is for another host"
    : /UnknownIssuer|self.signed|unable to (verify|get)|issuer/i.test(text)
    ? "its certificate comes from a CA that this machine does not know"
    : "TLS failed";
  return new TrtdError("DOWNLOAD_TLS", `Cannot download "${shown}": "${host}" is not trusted, ${why} (${text})`, {
    cause,
  });
}

const STATUS_ERRORS: Readonly<Record<number, ErrorCode>> = {
  401: "DOWNLOAD_FORBIDDEN",
  403: "DOWNLOAD_FORBIDDEN",
  404: "DOWNLOAD_NOT_FOUND",
  410: "DOWNLOAD_NOT_FOUND",
};

/**
 * The failure that stands for an answer without the file.
 * @param said a word out of the answer's body, such as `NoSuchKey`; null for none
 * @param retryAfter value of Retry-After, null without
 */
export function statusFailure(
  status: number,
  shown: string,
  { said, retryAfter }: { readonly said: string | null; readonly retryAfter: string | null },
): TrtdError {
  const code = STATUS_ERRORS[status] ?? "DOWNLOAD_FAILED";
  const words = [STATUS_CODES[status], said].filter((word) => word !== undefined && word !== null);
  const text = `Cannot download "${shown}": the answer is ${status}${
    words.length === 0 ? "" : ` (${words.join(", ")})`
  }`;
  const seconds = Number(retryAfter ?? NaN);
  const options = { ...(seconds >= 0 && seconds <= 3600 ? { retryAfterS: seconds } : {}), ...remedyOf(said) };
  return TRANSIENT_STATUS.has(status) ? new TransientStatus(code, text, options) : new TrtdError(code, text, options);
}

/** Error codes of S3 that name their remedy. */
const S3_REMEDIES: Readonly<Record<string, string>> = {
  NoSuchBucket: 'Correct "bucket" of the alias; where the alias has none, the first part of the path is the bucket',
  NoSuchKey: "Check the path and the file's name in the bucket",
  InvalidAccessKeyId: "Check the access key of the alias: the store does not know it",
  SignatureDoesNotMatch: "Check the secret key of the alias, and that a proxy leaves paths and headers as they are",
  RequestTimeTooSkewed: "Set this machine's clock: it differs too much from the store's",
  AuthorizationHeaderMalformed: 'Set "region" of the alias to the bucket\'s',
};

const remedyOf = (said: string | null): { remedy?: string } => {
  const remedy = said !== null && Object.hasOwn(S3_REMEDIES, said) ? S3_REMEDIES[said] : undefined;
  return remedy === undefined ? {} : { remedy };
};

/** The failure that stands for an error of the disk. @throws nothing; @returns `DISK_FULL` or `OUTPUT_UNWRITABLE` */
export function diskFailure(thrown: unknown, path: string): TrtdError {
  if (thrown instanceof TrtdError && thrown.code !== "OUTPUT_UNWRITABLE") return thrown;
  const cause = thrown instanceof TrtdError ? thrown.cause : thrown;
  const { code, message } = partsOf(cause);
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new TrtdError("DISK_FULL", `The disk is full while "${path}" is written`, { cause });
  }
  return new TrtdError("OUTPUT_UNWRITABLE", `Cannot write "${path}": ${message}`, { cause });
}

/** Whether an error is the operating system's about a file, not the network's. */
export function isDiskError(thrown: unknown): boolean {
  const { code } = partsOf(thrown);
  return ["ENOSPC", "EDQUOT", "EIO", "EROFS", "EACCES", "EPERM", "EMFILE", "ENFILE"].includes(code);
}

function partsOf(thrown: unknown): { code: string; name: string; message: string } {
  const { code, name, message, cause } = (thrown ?? {}) as Record<string, unknown>;
  if (typeof code !== "string" && typeof cause === "object" && cause !== null) return partsOf(cause);
  return {
    code: typeof code === "string" ? code : "",
    name: typeof name === "string" ? name : "",
    message: typeof message === "string" ? message : String(thrown),
  };
}
