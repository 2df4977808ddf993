/** One file from its source into a part. */
import { certificatesFrom } from "./certificates.ts";
import { Connection } from "./connection.ts";
import { credentialsOf } from "./credentials.ts";
import { download, type DownloadWatch } from "./download.ts";
import type { Part } from "./part.ts";
import { remoteOf } from "./remote.ts";
import type { Source } from "./source.ts";

export interface FetchSettings {
  readonly connectTimeoutMs: number;
  readonly stallMs: number;
  /** Time for one file, with every attempt. */
  readonly timeoutMs: number;
  readonly trustedHosts: readonly string[];
  /** PEM file of CAs to trust as well. */
  readonly caFile: string | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** See `DownloadLimits`. */
  readonly attempts?: number;
  readonly backoffMs?: number;
}

export interface FetchWatch extends DownloadWatch {
  /** Told what the user should know. */
  readonly onRemark: (text: string) => void;
}

/**
 * Fills the part from the source.
 * @param bytesMax most bytes of the file
 * @returns how many bytes were there before
 * @throws {TrtdError} those of `credentialsOf`, `certificatesFrom` and `download`
 */
export async function fetchInto(
  part: Part,
  source: Source,
  bytesMax: number,
  { settings, watch }: { readonly settings: FetchSettings; readonly watch: FetchWatch },
): Promise<{ readonly resumedFrom: number }> {
  const { connectTimeoutMs, stallMs, timeoutMs, trustedHosts, caFile, environment, attempts, backoffMs } = settings;
  const store = source.kind === "store" ? source.store : null;
  const credentials = store === null ? null : await credentialsOf(store, environment, watch.onRemark);
  if (source.kind !== "file" && source.url.protocol === "http:") {
    watch.onRemark(`WARNING: "${source.url.host}" is asked by plain http: anybody on the way can change the model`);
  }
  if (store?.skipVerify === true) {
    watch.onRemark(
      `WARNING: certificates of "${store.alias}" are not checked (tls_verify is false): anybody on the way can change ` +
        "the model; name the store's CA with ca_file instead",
    );
  }
  await using connection = new Connection({
    connectTimeoutMs,
    stallMs,
    trustedHosts,
    certificates: source.kind === "file" ? [] : await certificatesFrom([caFile, store?.caFile], environment),
    skipVerify: store?.skipVerify ?? false,
  });
  const limits = {
    bytesMax,
    timeoutMs,
    ...(attempts === undefined ? {} : { attempts }),
    ...(backoffMs === undefined ? {} : { backoffMs }),
  };
  return await download(remoteOf(source, connection, credentials), part, limits, watch);
}
