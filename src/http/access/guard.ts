/**
 * Who may ask. One of three ways: a key, a trusted network, or, where neither is set up, the place the server listens at
 * (the loopback, or any with `insecure`). A forwarded address (`X-Forwarded-For`) is never believed.
 */
import { TrtdError } from "../../errors.ts";
import { isOwnHost, isOwnOrigin } from "./hosts.ts";
import type { KeyRing } from "./key_ring.ts";
import { isLoopback, Networks } from "./networks.ts";

/** Settings by the words of the configuration. */
export interface AccessSettings {
  readonly host: string;
  readonly api_key?: string | undefined;
  /** Absolute path. */
  readonly api_keys_file?: string | undefined;
  readonly http_trusted_networks?: readonly string[];
  readonly http_allowed_hosts?: readonly string[];
  readonly insecure?: boolean;
}

/** What the guard looks at. */
export interface AccessRequest {
  header(name: string): string | undefined;
  /** Address of the client, null when it is not known. */
  readonly peer: string | null;
}

/** Name of the key that was given, null for access without one. */
export interface Admission {
  readonly key: string | null;
}

/**
 * Refuse to listen where strangers are when nothing keeps them out.
 * @throws {TrtdError} `OPEN_BIND`
 */
export function refuseOpenBind(settings: AccessSettings): void {
  const { host, api_key, api_keys_file, http_trusted_networks = [], insecure = false } = settings;
  if (isLoopback(host) || insecure || http_trusted_networks.length > 0) return;
  if (api_key !== undefined || api_keys_file !== undefined) return;
  throw new TrtdError("OPEN_BIND", `"host" is ${host}, which is not the loopback, and no API key is set`);
}

export class Guard {
  readonly #keys: KeyRing | null;
  readonly #networks: Networks;
  readonly #allowedHosts: readonly string[];
  readonly #needsLocalHost: boolean;

  private constructor(settings: AccessSettings, keys: KeyRing | null) {
    this.#keys = keys;
    this.#networks = new Networks(settings.http_trusted_networks ?? []);
    this.#allowedHosts = settings.http_allowed_hosts ?? [];
    this.#needsLocalHost = isLoopback(settings.host) || this.#networks.size > 0;
  }

  /** @throws {TrtdError} `OPEN_BIND`, `API_KEYS_INVALID` */
  static async open(settings: AccessSettings): Promise<Guard> {
    refuseOpenBind(settings);
    const { api_key: key, api_keys_file: file } = settings;
    if (key === undefined && file === undefined) return new Guard(settings, null);
    const { KeyRing } = await import("./key_ring.ts");
    return new Guard(settings, await KeyRing.open({ key, file }));
  }

  /** Whether everybody who reaches the server may ask. */
  get letsAllIn(): boolean {
    return this.#keys === null && this.#networks.size === 0;
  }

  /**
   * Let a request in.
   * @throws {TrtdError} `API_KEY_MISSING`, `API_KEY_WRONG`, `NETWORK_REFUSED`, `HOST_REFUSED`, `ORIGIN_REFUSED`
   */
  async admit(request: AccessRequest): Promise<Admission> {
    const given = keyOf(request);
    if (this.#keys !== null && given !== null) return await this.admitKey(given);
    if (this.letsAllIn || this.#networks.has(request.peer)) {
      if (this.#needsLocalHost) this.#refuseForeign(request);
      return { key: null };
    }
    if (this.#keys !== null) throw new TrtdError("API_KEY_MISSING", "The request has no API key");
    throw new TrtdError("NETWORK_REFUSED", `The address ${request.peer ?? "of the client"} is in no trusted network`);
  }

  /** Let a request in by the key of its form. @throws {TrtdError} `API_KEY_MISSING`, `API_KEY_WRONG` */
  async admitKey(given: string | undefined): Promise<Admission> {
    if (given === undefined || given === "") throw new TrtdError("API_KEY_MISSING", "The request has no API key");
    const key = await this.#keys?.ownerOf(given) ?? null;
    if (key === null) throw new TrtdError("API_KEY_WRONG", "The API key is of nobody");
    return { key };
  }

  #refuseForeign(request: AccessRequest): void {
    const host = request.header("host");
    if (!isOwnHost(host, this.#allowedHosts)) {
      throw new TrtdError("HOST_REFUSED", `The name "${host!.slice(0, 80)}" is not known to be this server's`);
    }
    const origin = request.header("origin");
    if (!isOwnOrigin(origin, host)) {
      throw new TrtdError("ORIGIN_REFUSED", `The page is of "${origin!.slice(0, 80)}", not of this server`);
    }
  }
}

/** The key of `Authorization: Bearer` or `X-API-Key`, null without either; an empty one counts as given. */
function keyOf(request: AccessRequest): string | null {
  const bearer = /^bearer(?:\s+(.*))?$/i.exec(request.header("authorization")?.trim() ?? "");
  return bearer === null ? request.header("x-api-key")?.trim() ?? null : bearer[1] ?? "";
}
