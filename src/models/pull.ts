/**
 * Brings a model from where it is kept into the folder of models.
 *
 *     <models>/<name>/<file>                        the model
 *     <models>/<name>/manifest.json                 what was there, and "source": where it came from
 *     <models>/.downloads/<name>.lock               kernel lock of who pulls it
 *     <models>/.downloads/<name>@<source>.part      what has arrived of it
 */
import { basename, dirname, join } from "node:path";
import { makeFolder, namesIn, removeIfThere, rename, syncFolder } from "../cache/disk/files.ts";
import { acquireLock, type HeldLock, type LockWait } from "../cache/lock/lock.ts";
import { type ErrorCode, TrtdError } from "../errors.ts";
import { MODEL_BYTES_MAX, readModel } from "../onnx/read.ts";
import { refuseBadName } from "./confine.ts";
import type { Model } from "./model.ts";
import { readModelFile } from "./model_file.ts";
import { nameFromFile } from "./registry.ts";
import { diskFailure } from "./sources/failure.ts";
import { fetchInto, type FetchSettings, type FetchWatch } from "./sources/fetch.ts";
import { labelsFrom } from "./sources/labels.ts";
import { Part } from "./sources/part.ts";
import type { Source } from "./sources/source.ts";
import {
  type FileFacts,
  fileFacts,
  idOf,
  type Labels,
  landingName,
  type Standing,
  standingOf,
  writeManifest,
} from "./standing.ts";

export interface PullRequest {
  readonly source: Source;
  /** @default made from the file's name */
  readonly name?: string;
  /** Digest that the file must have, lower-case hexadecimal; the source may pin one too. */
  readonly sha256?: string;
  /** File of class names. One that does not exist is a remark. */
  readonly labels?: Source;
  /** Download even when the same source was pulled before. @default false */
  readonly refresh?: boolean;
}

export interface PullSettings extends FetchSettings {
  /** Absolute path of the folder of models. */
  readonly modelsDir: string;
  /** Where digests of files are remembered; null: nowhere. */
  readonly memoDir: string | null;
  /** No host is asked. */
  readonly offline: boolean;
  /** @default 2 GiB less one, which protobuf cannot exceed */
  readonly bytesMax?: number;
}

export interface PullWatch extends FetchWatch {
  /** Told that another process is pulling a model of that name. */
  readonly onWait?: (wait: LockWait) => void;
}

export interface Pulled extends FileFacts {
  readonly model: Model;
  /** `found`: it was there, with the right digest. */
  readonly status: "found" | "downloaded";
  /** The source without anything secret. */
  readonly source: string;
  /** Bytes that an earlier attempt had left. */
  readonly resumedFrom: number;
  readonly durationS: number;
  /** What was told to `onRemark`. */
  readonly remarks: readonly string[];
}

const DOWNLOADS = ".downloads";
const FOLDER_MODE = 0o700;
/** What a process leaves that was killed while it wrote a manifest. */
const HALF_MANIFEST = /^manifest\.json\.[0-9a-f-]{36}\.part$/;
const LABELS_BYTES_MAX = 1_048_576;

/**
 * Pulls a model unless it is there. Processes that want the same name wait for the first, and find what it brought.
 * @throws {TrtdError} `MODEL_NAME_INVALID`, `MODEL_NAME_TAKEN`, `SOURCE_INVALID`, `CREDENTIALS_MISSING`, `DOWNLOAD_*`,
 * `DIGEST_MISMATCH`, `DISK_FULL`, `OUTPUT_UNWRITABLE`, `MODEL_TOO_LARGE` and other codes of `readModel`, `LABELS_INVALID`,
 * `MANIFEST_INVALID`, `FILE_NOT_FOUND`, `FILE_UNREADABLE`, the signal's reason. Nothing lands that is not whole
 */
export async function pullModel(request: PullRequest, settings: PullSettings, watch: PullWatch): Promise<Pulled> {
  const name = request.name ?? nameFromFile(request.source.fileName);
  refuseBadName(name);
  const pull = new Pull(request, settings, watch, name, await pinOf(request, settings.memoDir));
  return await pull.found() ?? await pull.underLock();
}

/** The digest that the file must have, null when none is known; a file of this machine is its own pin. */
async function pinOf({ source, sha256 }: PullRequest, memoDir: string | null): Promise<string | null> {
  if (sha256 !== undefined && source.sha256 !== null && sha256 !== source.sha256) {
    throw new TrtdError("SOURCE_INVALID", `Two digests are given for "${source.shown}"`);
  }
  const pin = sha256 ?? source.sha256;
  if (pin !== null || source.kind !== "file") return pin;
  return (await fileFacts(source.path, memoDir))?.sha256 ?? null;
}

class Pull {
  readonly #started = performance.now();
  readonly #remarks: string[] = [];
  readonly #watch: PullWatch;
  #resumedFrom = 0;

  constructor(
    private readonly request: PullRequest,
    private readonly settings: PullSettings,
    watch: PullWatch,
    private readonly name: string,
    private readonly pin: string | null,
  ) {
    this.#watch = { ...watch, onRemark: (text) => this.#remark(text, watch) };
  }

  /** What was pulled before, without a network; null when something has to be fetched. */
  async found(): Promise<Pulled | null> {
    const standing = await this.#standing();
    const right = standing.manifest !== null && this.#isRight(standing) && this.#labelsAreRight(standing);
    return right ? this.#pulled("found", standing) : null;
  }

  async underLock(): Promise<Pulled> {
    const { source } = this.request;
    const folder = join(this.settings.modelsDir, DOWNLOADS);
    if (this.settings.offline && source.kind !== "file") return await this.#offline();
    try {
      await makeFolder(this.settings.modelsDir);
      await makeFolder(folder, FOLDER_MODE);
      await using _lock = await this.#lock(folder);
      return await this.found() ?? await this.#fetchAll(folder);
    } catch (thrown) {
      throw diskOr(thrown, folder);
    }
  }

  async #offline(): Promise<Pulled> {
    const { source, labels } = this.request;
    const standing = await this.#standing();
    if (!this.#isRight(standing)) {
      throw new TrtdError(
        "DOWNLOAD_OFFLINE",
        `"${source.shown}" is not in "${standing.path}", and models_offline is on`,
      );
    }
    if (!this.#labelsAreRight(standing)) {
      this.#watch.onRemark(`The class names "${labels!.shown}" were not fetched: models_offline is on`);
    }
    return this.#pulled("found", standing);
  }

  async #lock(folder: string): Promise<HeldLock> {
    const { signal, onWait } = this.#watch;
    try {
      return await acquireLock(join(folder, `${this.name}.lock`), {
        limitMs: this.settings.timeoutMs,
        signal,
        ...(onWait === undefined ? {} : { onWait }),
      });
    } catch (thrown) {
      if (signal.aborted) throw signal.reason;
      if (!(thrown instanceof TrtdError) || thrown.code !== "ENGINE_LOCKED") throw thrown;
      throw new TrtdError("DOWNLOAD_LOCKED", thrown.message, { cause: thrown });
    }
  }

  async #fetchAll(folder: string): Promise<Pulled> {
    const { source } = this.request;
    const standing = await this.#standing();
    this.#refuseTaken(standing);
    const labels = this.#labelsAreRight(standing) ? null : await this.#fetchLabels(folder, standing);
    if (!this.#isRight(standing)) await this.#fetchModel(folder, standing, labels);
    else if (labels !== null || standing.manifest === null) {
      await writeManifest(standing, { source, file: standing.file!, labels });
    }
    return this.#pulled(this.#isRight(standing) ? "found" : "downloaded", await this.#standing());
  }

  /** @throws {TrtdError} `MODEL_NAME_TAKEN` when the file that is there did not come from this source */
  #refuseTaken(standing: Standing): void {
    const { manifest, file, path } = standing;
    if (file === null || this.#isRight(standing) || manifest?.source?.id === idOf(this.request.source)) return;
    const whence = manifest?.source === undefined ? "was not pulled" : `came from "${manifest.source.uri}"`;
    throw new TrtdError("MODEL_NAME_TAKEN", `The model "${this.name}" has the file "${path}", which ${whence}`, {
      remedy: this.pin !== null
        ? "Choose another name with --name, or remove the folder of the other model"
        : "Choose another name with --name, or say with --sha256 which file is wanted",
    });
  }

  async #fetchModel(folder: string, standing: Standing, labels: Labels | null): Promise<void> {
    const { source } = this.request;
    const stem = `${this.name}@${idOf(source).slice(0, 16)}`;
    using part = await Part.open({ folder, stem, identity: source.identity, pinned: this.pin !== null });
    const bytesMax = this.settings.bytesMax ?? MODEL_BYTES_MAX;
    const fetchOptions = { settings: this.settings, watch: this.#watch };
    try {
      ({ resumedFrom: this.#resumedFrom } = await fetchInto(part, source, bytesMax, fetchOptions));
      if (this.pin !== null && part.sha256 !== this.pin && this.#resumedFrom > 0) {
        // What an earlier attempt left may have been wrong.
        await part.reset();
        ({ resumedFrom: this.#resumedFrom } = await fetchInto(part, source, bytesMax, fetchOptions));
      }
      refuseOther(source, this.pin, part.sha256);
      await refuseNoModel(source, part.path, bytesMax);
      await part.sync();
      await writeManifest(standing, { source, file: { bytes: part.bytes, sha256: part.sha256 }, labels });
      await rename(part.path, standing.path);
      await syncFolder(dirname(standing.path));
      await part.forget();
      await this.#sweep(folder, dirname(standing.path));
    } catch (thrown) {
      const error = diskOr(thrown, part.path);
      const stopped = this.#watch.signal.aborted || error instanceof TrtdError && KEEPS_PART.has(error.code);
      const keeps = stopped && part.bytes > 0;
      if (!keeps) await part.remove().catch(() => {});
      throw error;
    }
  }

  /** @returns null when there is no such file */
  async #fetchLabels(folder: string, { manifest }: Standing): Promise<Labels | null> {
    const source = this.request.labels!;
    if (manifest?.labels !== undefined && manifest.source?.labels === undefined) {
      this.#watch.onRemark(`The manifest's own labels are kept, "${source.shown}" is not used`);
      return null;
    }
    const stem = `${this.name}@labels-${idOf(source).slice(0, 16)}`;
    using part = await Part.open({ folder, stem, identity: source.identity, pinned: false });
    try {
      await fetchInto(part, source, LABELS_BYTES_MAX, { settings: this.settings, watch: this.#watch });
      refuseOther(source, source.sha256, part.sha256);
      return { uri: source.shown, names: labelsFrom(await Deno.readFile(part.path), source.shown) };
    } catch (thrown) {
      const code = thrown instanceof TrtdError ? thrown.code : undefined;
      // A store that may not be listed answers 403 for what it does not have.
      const missing = code === "DOWNLOAD_NOT_FOUND" || code === "FILE_NOT_FOUND" ||
        code === "DOWNLOAD_FORBIDDEN" && source.kind === "store";
      if (!missing) throw thrown;
      this.#watch.onRemark(`There are no class names in "${source.shown}"; the model itself may have them`);
      return null;
    } finally {
      await part.remove().catch(() => {});
    }
  }

  async #standing(): Promise<Standing> {
    const { modelsDir, memoDir } = this.settings;
    const { source, name } = this.request;
    return await standingOf(this.name, { modelsDir, memoDir, landing: () => landingName(source, name) });
  }

  #isRight({ manifest, file }: Standing): boolean {
    if (file === null) return false;
    if (this.pin !== null) return file.sha256 === this.pin;
    const source = manifest?.source;
    return this.request.refresh !== true && source?.id === idOf(this.request.source) && source.sha256 === file.sha256;
  }

  #labelsAreRight({ manifest }: Standing): boolean {
    const { labels } = this.request;
    return labels === undefined || manifest?.labels !== undefined && manifest.source?.labels === labels.shown;
  }

  /** Removes what killed processes and other sources of this name left. */
  async #sweep(folder: string, modelFolder: string): Promise<void> {
    for (const name of await namesIn(folder)) {
      if (name.startsWith(`${this.name}@`)) await removeIfThere(join(folder, name));
    }
    for (const name of await namesIn(modelFolder)) {
      if (HALF_MANIFEST.test(name)) await removeIfThere(join(modelFolder, name));
    }
  }

  #remark(text: string, { onRemark }: PullWatch): void {
    if (this.#remarks.includes(text)) return;
    this.#remarks.push(text);
    onRemark(text);
  }

  #pulled(status: Pulled["status"], { manifest, path, file }: Standing): Pulled {
    return {
      model: { name: this.name, path, manifest: manifest ?? { name: this.name, file: basename(path) } },
      status,
      ...file!,
      source: this.request.source.shown,
      resumedFrom: this.#resumedFrom,
      durationS: Math.round(performance.now() - this.#started) / 1000,
      remarks: this.#remarks,
    };
  }
}

/** Failures after which what has arrived is of use to the next attempt. */
const KEEPS_PART: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "DOWNLOAD_DNS",
  "DOWNLOAD_FAILED",
  "DOWNLOAD_FORBIDDEN",
  "DOWNLOAD_STALLED",
  "DOWNLOAD_TIMED_OUT",
  "DOWNLOAD_TLS",
  "DOWNLOAD_TRUNCATED",
  "DOWNLOAD_UNREACHABLE",
  "INTERRUPTED",
]);

/** @throws {TrtdError} `DIGEST_MISMATCH` */
function refuseOther({ shown }: Source, pin: string | null, sha256: string): void {
  if (pin === null || pin === sha256) return;
  throw new TrtdError("DIGEST_MISMATCH", `"${shown}" has the SHA-256 ${sha256}, but ${pin} was asked for`);
}

/** A page of a login or a file that was cut off must not land as a model. @throws {TrtdError} codes of `readModel` */
async function refuseNoModel({ shown }: Source, path: string, bytesMax: number): Promise<void> {
  try {
    readModel(await readModelFile(path, bytesMax));
  } catch (thrown) {
    if (!(thrown instanceof TrtdError)) throw thrown;
    throw new TrtdError(thrown.code, `What came from "${shown}" is no usable model: ${thrown.message}`, {
      cause: thrown,
    });
  }
}

/** Errors of the file layer get a code; others stay. */
const diskOr = (thrown: unknown, path: string): unknown =>
  thrown instanceof TrtdError && thrown.code !== "OUTPUT_UNWRITABLE" || !(thrown instanceof Error) ||
    !isOfSystem(thrown)
    ? thrown
    : diskFailure(thrown, path);

const isOfSystem = (error: Error): boolean =>
  error instanceof TrtdError || typeof (error as { code?: unknown }).code === "string" ||
  error instanceof Deno.errors.PermissionDenied;
