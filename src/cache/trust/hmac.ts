/** The secret that signs engines, for folders that others can reach. */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { TrtdError } from "../../errors.ts";
import { openRegular, readHashed, UnusableFile } from "../disk/files.ts";
import { distrust, type Trust, trustOf } from "./trust.ts";

/** Bytes of a key: fewer can be guessed, more are a mistake in the path. */
const KEY_BYTES = { min: 16, max: 4096 };

/** A signature, as the metadata holds it. */
export interface Signature {
  /** 8 hexadecimal digits that tell keys apart. */
  readonly key_id: string;
  /** HMAC-SHA256, lower-case hexadecimal. */
  readonly value: string;
}

/** Signs a text. */
export function sign(key: Uint8Array, text: string): Signature {
  return {
    key_id: createHash("sha256").update("trtd key id\0").update(key).digest("hex").slice(0, 8),
    value: createHmac("sha256", key).update(text).digest("hex"),
  };
}

/** Whether the signature is the key's; the time it takes tells nothing about the right one. */
export function isSignedBy(key: Uint8Array, text: string, signature: Signature | null): boolean {
  if (signature === null) return false;
  const [right, given] = [sign(key, text).value, signature.value].map((value) => new TextEncoder().encode(value));
  return right!.length === given!.length && timingSafeEqual(right!, given!);
}

/**
 * Reads the key of the setting `cache_hmac_key`: 16 to 4096 bytes of a file that only its owner can read.
 * @throws {TrtdError} `CONFIG_INVALID`
 */
export async function readHmacKey(path: string, trust: Trust = trustOf()): Promise<Uint8Array> {
  const refuse = (why: string): never => {
    throw new TrtdError("CONFIG_INVALID", `Setting "cache_hmac_key": ${why}`);
  };
  try {
    using opened = await openRegular(path);
    const { info } = opened;
    const reason = distrust(path, info, trust);
    if (reason !== null) refuse(reason);
    if (((info.mode ?? 0) & 0o077) !== 0) refuse(`"${path}" can be read by others; run: chmod 600 "${path}"`);
    if (info.size < KEY_BYTES.min || info.size > KEY_BYTES.max) {
      refuse(`"${path}" has ${info.size} bytes, but a key has ${KEY_BYTES.min} to ${KEY_BYTES.max}`);
    }
    return (await readHashed(opened, path)).bytes;
  } catch (error) {
    return error instanceof UnusableFile ? refuse(error.message) : Promise.reject(error);
  }
}
