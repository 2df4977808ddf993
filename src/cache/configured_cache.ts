/** The engine cache as the settings want it. */
import { readHmacKey } from "./trust/hmac.ts";
import type { CacheRemark } from "./remark.ts";
import { type EngineCache, openEngineCache } from "./store.ts";
import { trustOf } from "./trust/trust.ts";
import type { Config } from "../config/config.ts";
import { userCacheFolder } from "../config/user_folder.ts";
import { getLogger } from "../log.ts";
import { plainText } from "../onnx/quoted.ts";

const BYTES_PER_MB = 1_000_000;

/** The settings that decide. */
export type CacheConfig = Pick<
  Config,
  "models" | "cache_layout" | "cache_trusted_owners" | "cache_size_limit_mb" | "cache_hmac_key"
>;

/** Whom the cache tells what it does by itself. */
export interface CacheTerminal {
  /** An absolute path; relative ones count from where the user called the command. */
  resolve(path: string): string;
  /** A remark for people. */
  note(text: string): void;
}

/**
 * Opens the cache.
 * @throws {TrtdError} `CONFIG_INVALID` for a key that cannot be used
 */
export async function openCache(config: CacheConfig, terminal: CacheTerminal): Promise<EngineCache> {
  const trustedOwners = config.cache_trusted_owners.map(Number);
  const hmacKey = config.cache_hmac_key === undefined
    ? null
    : await readHmacKey(terminal.resolve(config.cache_hmac_key), trustOf(trustedOwners));
  const told = new Set<string>();
  return openEngineCache({
    modelsDir: terminal.resolve(config.models),
    userCacheDir: userCacheFolder(),
    layout: config.cache_layout,
    trustedOwners,
    sizeLimitBytes: config.cache_size_limit_mb === 0 ? null : config.cache_size_limit_mb * BYTES_PER_MB,
    hmacKey,
    onRemark: ({ code, text, path }: CacheRemark) => {
      getLogger(["trtd", "cache"]).debug("{text}", { text, code, path });
      if (told.has(text)) return;
      told.add(text);
      terminal.note(`trtd: ${plainText(text)}`);
    },
  });
}
