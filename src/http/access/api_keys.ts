/**
 * API keys, of which only digests are kept. A line of the file is `NAME sha256:HEX`; empty lines and lines that begin
 * with `#` are skipped. SHA-256 is enough because trtd makes the keys: 256 random bits cannot be guessed however fast
 * one guess is, and a slow digest such as scrypt would let a stranger occupy a core with wrong keys.
 */
import { Buffer } from "node:buffer";
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

/** Names of keys: they stand in files and in logs. */
export const KEY_NAME = /^[A-Za-z0-9._-]{1,64}$/;

const LINE = /^([A-Za-z0-9._-]{1,64})\s+sha256:([0-9a-f]{64})$/;
/** Longer texts are no key of anybody. */
const KEY_LENGTH_MAX = 512;
const KEYS_MAX = 10_000;

export interface StoredKey {
  readonly name: string;
  /** SHA-256 of the key's UTF-8. */
  readonly digest: Uint8Array;
}

/** A key of 256 random bits. */
export const newKey = (): string => `trtd_${randomBytes(32).toString("base64url")}`;

/** The line of a key in a file of keys. */
export const keyLine = (name: string, key: string): string => `${name} sha256:${digestOf(key).toString("hex")}`;

/** A key that is known in clear. */
export const storedKey = (name: string, key: string): StoredKey => ({ name, digest: digestOf(key) });

/**
 * The keys of a file.
 * @throws {Error} naming the first line that is wrong, without quoting it: it may be a key in clear
 */
export function keysFromText(text: string): StoredKey[] {
  const keys: StoredKey[] = [];
  for (const [i, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const [, name, hex] = LINE.exec(line) ?? [];
    if (name === undefined || hex === undefined) {
      throw new Error(`Line ${i + 1} is not of the form "NAME sha256:HEX", which trtd config key makes`);
    }
    if (keys.length === KEYS_MAX) throw new Error(`There are more than ${KEYS_MAX} keys`);
    keys.push({ name, digest: Buffer.from(hex, "hex") });
  }
  return keys;
}

/** The stored key that was given, null for none. Every digest is compared in full, so that time tells nothing. */
export function matchingKey(given: string, keys: readonly StoredKey[]): StoredKey | null {
  if (given.length > KEY_LENGTH_MAX) return null;
  const digest = digestOf(given);
  let found: StoredKey | null = null;
  for (const key of keys) if (timingSafeEqual(digest, key.digest)) found = key;
  return found;
}

function digestOf(key: string): Buffer {
  return createHash("sha256").update(key, "utf8").digest();
}
