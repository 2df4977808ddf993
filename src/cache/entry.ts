/**
 * `<model>.engine.json`: what an engine is, and how a file is known to be that engine.
 *
 *     {
 *       "format": 2,
 *       "key": { ... },                                       see key.ts
 *       "engine": { "file", "bytes", "sha256" },              the file beside it
 *       ...                                                   facts of the build, for people and estimates
 *       "verified": [ ... ]                                   results of the gate, see src/verify/record.ts; written later
 *       "check": {
 *         "sha256": "...",                                    of the canonical JSON of all the rest
 *         "hmac": { "key_id", "value" } | null                HMAC-SHA256 of the same text
 *       }
 *     }
 *
 * History: 1 had neither key nor check; 2, 2026-11, is this. Engines of another format are misses that name it.
 */
import { createHash } from "node:crypto";
import { isSignedBy, sign, type Signature } from "./trust/hmac.ts";
import { type AnyKey, type CacheKey, canonicalJson, type Difference, type Json, keyName } from "./key.ts";

export const ENTRY_FORMAT = 2;

/** Largest metadata that is read. */
export const ENTRY_BYTES_MAX = 4_194_304;

/** Names that the store writes itself. */
const OWN = ["format", "key", "engine", "check"];

export interface EngineFacts {
  /** Name of the file beside the metadata. */
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Metadata that is whole. */
export interface Entry {
  readonly format: typeof ENTRY_FORMAT;
  readonly key: AnyKey;
  readonly engine: EngineFacts;
  /** All that the builder tells. */
  readonly facts: Readonly<Record<string, Json>>;
  readonly signature: Signature | null;
}

/** Metadata of an engine. @param hmacKey signs it, null for no signature */
export function entryText(
  { key, engine, facts }: { key: CacheKey | AnyKey; engine: EngineFacts; facts: Readonly<Record<string, Json>> },
  hmacKey: Uint8Array | null,
): string {
  const own = { format: ENTRY_FORMAT, key: key as AnyKey, engine: { ...engine } };
  const others = Object.fromEntries(Object.entries(facts).filter(([name]) => !OWN.includes(name)));
  // Through JSON, so that what is signed is what will be read.
  const content = JSON.parse(JSON.stringify({ ...own, ...others })) as Record<string, Json>;
  const text = canonicalJson(content);
  const check = { sha256: digest(text), hmac: hmacKey === null ? null : sign(hmacKey, text) };
  return `${JSON.stringify({ ...content, check }, null, 2)}\n`;
}

const digest = (text: string): string => createHash("sha256").update(text).digest("hex");

/** What metadata turned out to be. */
export type EntryRead =
  | { readonly state: "whole"; readonly entry: Entry }
  /** Of another version of trtd: nothing is wrong with it, but it cannot be used. */
  | { readonly state: "other-format"; readonly format: Json; readonly name: string }
  | { readonly state: "damaged" | "untrusted"; readonly detail: string };

/** Reads metadata. @param hmacKey what must have signed it, null when signatures do not matter */
export function readEntry(text: string, hmacKey: Uint8Array | null): EntryRead {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return { state: "damaged", detail: `The metadata is not JSON: ${(error as Error).message}` };
  }
  if (!isRecord(json)) return { state: "damaged", detail: "The metadata is not an object" };
  const { check, ...content } = json;
  if (content["format"] !== ENTRY_FORMAT) return otherFormat(content["format"], text);
  if (!isCheck(check)) {
    return { state: "damaged", detail: "The metadata has no digest of itself" };
  }
  let canonical: string;
  try {
    canonical = canonicalJson(content);
  } catch (error) {
    return { state: "damaged", detail: `The metadata holds ${(error as Error).message}` };
  }
  if (digest(canonical) !== check.sha256) {
    return { state: "damaged", detail: "The metadata does not match its own digest" };
  }
  const { format: _, key, engine, ...facts } = content;
  if (!isRecord(key) || !isEngine(engine)) return { state: "damaged", detail: "The metadata lacks key or engine" };
  const signature = check.hmac;
  if (hmacKey !== null && !isSignedBy(hmacKey, canonical, signature)) {
    const why = signature === null ? "is not signed" : `is signed with another key (${signature.key_id})`;
    return { state: "untrusted", detail: `The metadata ${why}` };
  }
  return { state: "whole", entry: { format: ENTRY_FORMAT, key, engine, facts, signature } };
}

/** Other versions are recognized by a format that is a number; anything else is damage. */
function otherFormat(format: Json | undefined, text: string): EntryRead {
  if (typeof format !== "number" || !Number.isInteger(format) || format < 1 || format > 1000) {
    return { state: "damaged", detail: "The metadata has no format" };
  }
  return { state: "other-format", format, name: `format-${format}-${digest(text).slice(0, 16)}` };
}

/** Name of the folder in `.others` for an entry. */
export const othersName = ({ key }: Entry): string => keyName(key);

/** The only difference of an engine that cannot be compared field by field. */
export const engineDifference = (old: Json): Difference => ({ field: "engine", old, new: "intact" });

const isRecord = (value: unknown): value is Record<string, Json> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isDigest = (value: unknown): value is string => typeof value === "string" && /^[0-9a-f]{64}$/.test(value);

function isEngine(value: unknown): value is Json & EngineFacts {
  if (!isRecord(value)) return false;
  const { file, bytes, sha256 } = value;
  return typeof file === "string" && Number.isSafeInteger(bytes) && (bytes as number) > 0 && isDigest(sha256);
}

function isCheck(
  value: Json | undefined,
): value is Json & { readonly sha256: string; readonly hmac: Signature | null } {
  if (!isRecord(value) || Object.keys(value).sort().join() !== "hmac,sha256") return false;
  return isDigest(value["sha256"]) && (value["hmac"] === null || isSignature(value["hmac"]));
}

function isSignature(value: unknown): value is Signature {
  return isRecord(value) && typeof value["key_id"] === "string" && isDigest(value["value"]);
}
