/** The keys of a server: one from the settings, others from a file that may change while the server runs. */
import { getLogger } from "@logtape/logtape";
import { readCappedText } from "../../config/capped_file.ts";
import { TrtdError } from "../../errors.ts";
import { keysFromText, matchingKey, type StoredKey, storedKey } from "./api_keys.ts";

const log = getLogger(["trtd", "http"]);

/** How long the file's keys are taken as they were read. */
const FRESH_MS = 1000;
/** Longest time that a request waits for the file: on a share that hangs the last keys count. */
const READ_WAIT_MS = 500;

/** Name of the key of the setting `api_key`. */
const SETTING_NAME = "api_key";

export interface KeySources {
  /** A key in clear. */
  readonly key?: string | undefined;
  /** Absolute path of a file of digests. */
  readonly file?: string | undefined;
  /** Milliseconds of a clock that never goes back. @default performance.now */
  readonly now?: () => number;
}

export class KeyRing {
  readonly #file: string | undefined;
  readonly #now: () => number;
  readonly #own: readonly StoredKey[];
  #listed: readonly StoredKey[] = [];
  #readAt = 0;
  #reading: Promise<void> | undefined;
  #problem: string | null = null;

  private constructor({ key, file, now = () => performance.now() }: KeySources) {
    this.#own = key === undefined ? [] : [storedKey(SETTING_NAME, key)];
    this.#file = file;
    this.#now = now;
  }

  /** Read the keys. @throws {TrtdError} `API_KEYS_INVALID` */
  static async open(sources: KeySources): Promise<KeyRing> {
    const ring = new KeyRing(sources);
    if (sources.file !== undefined) ring.#listed = await readKeys(sources.file);
    ring.#readAt = ring.#now();
    return ring;
  }

  /**
   * Whose key this is, by the file as it is now. A file that became unreadable or wrong is logged, and its last good keys
   * count; an empty one has no keys.
   * @returns the key's name, null for a key of nobody
   */
  async ownerOf(given: string): Promise<string | null> {
    await this.#refresh();
    return matchingKey(given, [...this.#own, ...this.#listed])?.name ?? null;
  }

  async #refresh(): Promise<void> {
    if (this.#file === undefined || this.#now() - this.#readAt < FRESH_MS) return;
    this.#reading ??= this.#read(this.#file).finally(() => this.#reading = undefined);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, READ_WAIT_MS));
    await Promise.race([this.#reading, late]);
    clearTimeout(timer);
  }

  async #read(file: string): Promise<void> {
    try {
      const keys = await readKeys(file);
      if (!sameKeys(keys, this.#listed)) log.info("The API keys are now: {names}", { names: namesOf(keys) });
      this.#listed = keys;
      this.#problem = null;
    } catch (error) {
      const { message } = error as TrtdError;
      if (message !== this.#problem) log.error("{message}; the last good keys count", { message });
      this.#problem = message;
    }
    this.#readAt = this.#now();
  }
}

const namesOf = (keys: readonly StoredKey[]): string => keys.map(({ name }) => name).join(", ") || "none";

const sameKeys = (a: readonly StoredKey[], b: readonly StoredKey[]): boolean =>
  a.length === b.length &&
  a.every(({ name, digest }, i) => name === b[i]!.name && digest.every((byte, j) => byte === b[i]!.digest[j]));

/** @throws {TrtdError} `API_KEYS_INVALID` */
async function readKeys(file: string): Promise<StoredKey[]> {
  try {
    const { mode } = await Deno.stat(file);
    if (mode !== null && (mode & 0o002) !== 0) throw new Error("Everybody may write it");
    return keysFromText(await readCappedText(file));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TrtdError("API_KEYS_INVALID", `Cannot take the API keys of "${file}": ${reason}`, { cause: error });
  }
}
