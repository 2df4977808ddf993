/** From a request to the bytes of one picture that may be decoded. */
import { TrtdError } from "../../errors.ts";
import { type ImageType, readImageHeader } from "../../detect/picture/image_header.ts";
import { boundaryFrom, type Part, splitMultipart } from "./multipart.ts";

/** Declared types that are taken, and the kind of picture that each promises; null promises nothing. */
const TYPES: ReadonlyMap<string, ImageType | null> = new Map([
  ["image/jpeg", "jpeg"],
  ["image/jpg", "jpeg"],
  ["image/png", "png"],
  ["image/webp", "webp"],
  ["application/octet-stream", null],
]);

/** What a request carried. */
export interface Upload {
  readonly picture: Uint8Array<ArrayBuffer>;
  /** Declared type of the picture, lower case without parameters; null when nothing was declared. */
  readonly type: string | null;
  /** Text fields of a form, by name; empty for a raw body. */
  readonly fields: ReadonlyMap<string, string>;
}

/**
 * Refuse a Content-Type or Content-Encoding before the body is read.
 * @param formOnly whether a raw picture is refused
 * @throws {TrtdError} `CONTENT_ENCODING_UNSUPPORTED`, `CONTENT_TYPE_UNSUPPORTED`, `IMAGE_TYPE_UNSUPPORTED`
 */
export function checkContentHeaders(type: string | undefined, encoding: string | undefined, formOnly: boolean): void {
  if (encoding !== undefined && encoding.trim().toLowerCase() !== "identity") {
    throw new TrtdError("CONTENT_ENCODING_UNSUPPORTED", `The body has the Content-Encoding "${clipped(encoding)}"`);
  }
  const essence = essenceOf(type);
  if (essence === "multipart/form-data" || (!formOnly && essence !== null && TYPES.has(essence))) return;
  if (essence === null) throw new TrtdError("CONTENT_TYPE_UNSUPPORTED", "The request has no Content-Type");
  const code = essence.startsWith("image/") && !formOnly ? "IMAGE_TYPE_UNSUPPORTED" : "CONTENT_TYPE_UNSUPPORTED";
  throw new TrtdError(code, `The body has the Content-Type "${clipped(essence)}"`);
}

/**
 * The picture and the fields of a body.
 * @throws {TrtdError} `MULTIPART_INVALID`, `IMAGE_TYPE_UNSUPPORTED`
 */
export function uploadFrom(contentType: string, body: Uint8Array<ArrayBuffer>): Upload {
  const boundary = boundaryFrom(contentType);
  if (boundary === null) return { picture: body, type: essenceOf(contentType), fields: new Map() };
  const parts = splitMultipart(body, boundary);
  const pictures = parts.filter((part) => part.name === "image");
  const [picture] = pictures;
  if (picture === undefined) throw new TrtdError("MULTIPART_INVALID", 'The form has no part named "image"');
  if (pictures.length > 1) {
    throw new TrtdError("MULTIPART_INVALID", `The form has ${pictures.length} parts named "image"`);
  }
  return { picture: picture.content, type: pictureType(picture), fields: fieldsOf(parts) };
}

/**
 * Check a picture by its first bytes, before a decoder sees it.
 * @throws {TrtdError} `IMAGE_EMPTY`, `IMAGE_TYPE_MISMATCH`, `IMAGE_TOO_MANY_PIXELS`, and those of `readImageHeader`
 */
export function checkPicture({ picture, type }: Upload, maxPixels: number): void {
  const header = readImageHeader(picture);
  const promised = type === null ? null : TYPES.get(type) ?? null;
  if (promised !== null && promised !== header.type) {
    throw new TrtdError("IMAGE_TYPE_MISMATCH", `The picture is declared as ${promised} and is ${header.type}`);
  }
  if (header.width * header.height > maxPixels) {
    throw new TrtdError(
      "IMAGE_TOO_MANY_PIXELS",
      `The picture has ${header.width}x${header.height} pixels and the limit is ${maxPixels}`,
    );
  }
}

/** Clients that do not know the type say text/plain or nothing; the bytes decide. */
function pictureType(part: Part): string | null {
  const { type } = part;
  if (type === null || type === "text/plain" || TYPES.has(type)) return type;
  throw new TrtdError("IMAGE_TYPE_UNSUPPORTED", `The part "image" has the Content-Type "${clipped(type)}"`);
}

function fieldsOf(parts: readonly Part[]): Map<string, string> {
  const fields = new Map<string, string>();
  for (const { name, content } of parts) {
    if (name !== "image" && content.length <= 4096) fields.set(name, new TextDecoder().decode(content));
  }
  return fields;
}

function essenceOf(type: string | undefined): string | null {
  const essence = type?.replace(/;.*/, "").trim().toLowerCase();
  return essence === undefined || essence === "" ? null : essence;
}

function clipped(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 80)}...`;
}
