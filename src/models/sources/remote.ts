/** A source that can be opened, from its beginning or from a later byte. */
import { AwsV4Signer } from "aws4fetch";
import { fileFailure } from "../model_file.ts";
import { TrtdError } from "../../errors.ts";
import type { Answer, Connection } from "./connection.ts";
import type { Credentials } from "./credentials.ts";
import type { Source } from "./source.ts";

/** Where to go on, and the ETag or date that the bytes so far belong to (null: a digest is pinned). */
export interface Range {
  readonly from: number;
  readonly validator: string | null;
}

export interface Remote {
  readonly shown: string;
  /** @throws {TrtdError} `DOWNLOAD_*`, `FILE_NOT_FOUND`, `FILE_UNREADABLE` */
  open(range: Range | null, signal: AbortSignal): Promise<Answer>;
}

const CHUNK_BYTES = 1_048_576;

/** @param credentials null: requests are not signed */
export function remoteOf(source: Source, connection: Connection, credentials: Credentials | null): Remote {
  const { shown } = source;
  if (source.kind === "file") return { shown, open: (_range, signal) => openFile(source.path, signal) };
  const { url } = source;
  const signing = source.kind === "store" && credentials !== null
    ? { sign: (headers: Readonly<Record<string, string>>) => signed(url, headers, credentials, source.store.region) }
    : {};
  return {
    shown,
    open: (range, signal) => connection.get(url, { shown, headers: rangeHeaders(range), signal, ...signing }),
  };
}

const rangeHeaders = (range: Range | null): Record<string, string> =>
  range === null
    ? {}
    : { range: `bytes=${range.from}-`, ...(range.validator === null ? {} : { "if-range": range.validator }) };

/**
 * Headers with Signature Version 4.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
 */
async function signed(
  url: URL,
  headers: Readonly<Record<string, string>>,
  { accessKeyId, secretAccessKey, sessionToken }: Credentials,
  region: string,
): Promise<Record<string, string>> {
  const signer = new AwsV4Signer({
    url: url.href,
    method: "GET",
    headers: { ...headers, "x-amz-content-sha256": "UNSIGNED-PAYLOAD" },
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === null ? {} : { sessionToken }),
    service: "s3",
    region,
  });
  const result: Record<string, string> = {};
  for (const [name, value] of (await signer.sign()).headers) if (name !== "host") result[name] = value;
  return result;
}

/** A file of this machine as an answer; it is always read from its beginning. */
async function openFile(path: string, signal: AbortSignal): Promise<Answer> {
  try {
    const { isFile, isDirectory } = await Deno.stat(path);
    if (!isFile) {
      throw new TrtdError("FILE_UNREADABLE", `"${path}" is ${isDirectory ? "a folder" : "not a regular file"}`);
    }
    const file = await Deno.open(path, { read: true });
    const { size } = await file.stat();
    let open = true;
    const close = () => {
      if (open) file.close();
      open = false;
    };
    return {
      status: 200,
      header: (name) => name === "content-length" ? String(size) : null,
      close,
      body: {
        async *[Symbol.asyncIterator]() {
          const buffer = new Uint8Array(CHUNK_BYTES);
          try {
            for (;;) {
              signal.throwIfAborted();
              const count = await file.read(buffer).catch((thrown) => Promise.reject(fileFailure(path, thrown)));
              if (count === null) return;
              yield buffer.subarray(0, count);
            }
          } finally {
            close();
          }
        },
      },
    };
  } catch (thrown) {
    throw fileFailure(path, thrown);
  }
}
