/**
 * multipart/form-data (RFC 7578, framed as RFC 2046 5.1) over a body that is in memory. Contents are views of the body:
 * nothing is copied, so a picture of any size costs one search for its boundary.
 */
import { TrtdError } from "../../errors.ts";

/** One part of a form. */
export interface Part {
  readonly name: string;
  /** Null when the part is not a file. */
  readonly filename: string | null;
  /** Lower case, without parameters; null when the part does not say. */
  readonly type: string | null;
  /** View of the body. */
  readonly content: Uint8Array<ArrayBuffer>;
}

/** More parts than any client of a detector sends. */
export const MAX_PARTS = 32;
/** Longest header block of a part. */
export const MAX_PART_HEADER_BYTES = 8192;

const CR = 13, LF = 10, DASH = 45, SPACE = 32, TAB = 9;

/** RFC 2046 5.1.1: 1 to 70 of these characters, not ending with a space. */
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/;

/**
 * The boundary that a Content-Type names.
 * @returns null when the type is not multipart/form-data
 * @throws {TrtdError} `MULTIPART_INVALID` when the boundary is missing or breaks RFC 2046
 */
export function boundaryFrom(contentType: string): string | null {
  if (!/^multipart\/form-data\s*(;|$)/i.test(contentType)) return null;
  const boundary = parametersOf(contentType).get("boundary");
  if (boundary === undefined || !BOUNDARY.test(boundary)) {
    throw new TrtdError("MULTIPART_INVALID", "The Content-Type names no boundary of 1 to 70 allowed characters");
  }
  return boundary;
}

/**
 * Split a body into its parts. What stands before the first boundary and after the closing one is ignored.
 * @throws {TrtdError} `MULTIPART_INVALID` naming the rule that the body breaks
 */
export function splitMultipart(body: Uint8Array<ArrayBuffer>, boundary: string): Part[] {
  const delimiter = new TextEncoder().encode(`\r\n--${boundary}`);
  const search = horspool(delimiter);
  const parts: Part[] = [];
  let at = startsWith(body, delimiter.subarray(2))
    ? delimiter.length - 2
    : afterNext(search, body, 0, delimiter.length);
  if (at < 0) throw invalid("The body does not contain its boundary");
  while (!isClosing(body, at)) {
    at = lineEnd(body, at);
    const contentEnd = search(body, at - 2);
    if (contentEnd < 0) throw invalid("The body ends before its closing boundary");
    if (parts.length === MAX_PARTS) throw invalid(`The body has more than ${MAX_PARTS} parts`);
    parts.push(partFrom(body, at, Math.max(at, contentEnd)));
    at = contentEnd + delimiter.length;
  }
  return parts;
}

function partFrom(body: Uint8Array<ArrayBuffer>, start: number, end: number): Part {
  const headers = new Map<string, string>();
  let at = start;
  for (;;) {
    const lineStop = indexOfCrLf(body, at, Math.min(end, start + MAX_PART_HEADER_BYTES));
    if (lineStop < 0) throw invalid("A part has no empty line after its headers, or too many headers");
    if (lineStop === at) break;
    const line = latin1(body.subarray(at, lineStop));
    const colon = line.indexOf(":");
    if (colon < 1) throw invalid("A part has a header line without a name");
    headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
    at = lineStop + 2;
  }
  const disposition = headers.get("content-disposition");
  if (disposition === undefined || !/^form-data\s*;/i.test(disposition)) {
    throw invalid("A part has no Content-Disposition: form-data");
  }
  const encoding = headers.get("content-transfer-encoding");
  if (encoding !== undefined && !/^(7bit|8bit|binary)$/i.test(encoding)) {
    throw invalid(`A part has the Content-Transfer-Encoding "${encoding}", which forms do not use`);
  }
  const parameters = parametersOf(disposition);
  const name = parameters.get("name");
  if (name === undefined) throw invalid("A part has no name");
  return {
    name,
    filename: parameters.get("filename") ?? null,
    type: headers.get("content-type")?.replace(/;.*/, "").trim().toLowerCase() ?? null,
    content: body.subarray(at + 2, end),
  };
}

/** Parameters after the first `;`, by lower-case name; the first of a name counts. */
function parametersOf(value: string): Map<string, string> {
  const found = new Map<string, string>();
  const pattern = /\s*;\s*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^";\s]+))/gy;
  pattern.lastIndex = Math.max(0, value.indexOf(";"));
  for (let match = pattern.exec(value); match !== null; match = pattern.exec(value)) {
    const name = match[1]!.toLowerCase();
    const text = match[2] === undefined ? match[3]! : match[2].replace(/\\(["\\])/g, "$1").replaceAll("%22", '"');
    if (!found.has(name)) found.set(name, text);
  }
  return found;
}

/** Whether `--` follows a delimiter. */
function isClosing(body: Uint8Array, at: number): boolean {
  return body[at] === DASH && body[at + 1] === DASH;
}

/** The place after a delimiter's padding and line break. */
function lineEnd(body: Uint8Array, at: number): number {
  while (body[at] === SPACE || body[at] === TAB) at++;
  if (body[at] !== CR || body[at + 1] !== LF) throw invalid("A boundary is not followed by a line break");
  return at + 2;
}

function indexOfCrLf(body: Uint8Array, from: number, end: number): number {
  for (let at = body.indexOf(CR, from); at >= 0 && at + 1 < end; at = body.indexOf(CR, at + 1)) {
    if (body[at + 1] === LF) return at;
  }
  return -1;
}

function startsWith(body: Uint8Array, prefix: Uint8Array): boolean {
  return body.length >= prefix.length && prefix.every((byte, i) => body[i] === byte);
}

type Search = (body: Uint8Array, from: number) => number;

function afterNext(search: Search, body: Uint8Array, from: number, length: number): number {
  const at = search(body, from);
  return at < 0 ? -1 : at + length;
}

/** Horspool's search: looks at about one byte in `needle.length`. */
function horspool(needle: Uint8Array): Search {
  const last = needle.length - 1;
  const shift = new Uint8Array(256).fill(needle.length);
  for (let i = 0; i < last; i++) shift[needle[i]!] = last - i;
  const lastByte = needle[last]!;
  return (body, from) => {
    const end = body.length;
    for (let at = from + last; at < end;) {
      const byte = body[at]!;
      if (byte === lastByte) {
        let i = last - 1;
        while (i >= 0 && body[at - last + i] === needle[i]) i--;
        if (i < 0) return at - last;
      }
      at += shift[byte]!;
    }
    return -1;
  };
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

function invalid(detail: string): TrtdError {
  return new TrtdError("MULTIPART_INVALID", detail);
}
