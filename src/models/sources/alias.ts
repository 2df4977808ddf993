/** Aliases: names of S3-compatible stores, which the setting `aliases` explains. Pure. */
import type { Alias } from "../../config/alias.ts";

/** Aliases by name; what an alias does not say has its default. */
export type Aliases = Readonly<Record<string, Partial<Alias>>>;

/** A store with every default in place. */
export interface Store {
  readonly alias: string;
  readonly endpoint: URL;
  /** Null: the first part of the key names it. */
  readonly bucket: string | null;
  /** Put before every key of {@link bucket}. */
  readonly prefix: string;
  readonly region: string;
  /** `https://HOST/BUCKET/KEY` instead of `https://BUCKET.HOST/KEY`. */
  readonly pathStyle: boolean;
  /** Keys that the configuration itself holds. */
  readonly given: { readonly accessKey: string | null; readonly secretKey: string | null };
  /** Variables that hold the keys. */
  readonly variables: { readonly accessKey: string; readonly secretKey: string; readonly sessionToken: string };
  readonly credentialsFile: string | null;
  /** Section of that file. */
  readonly profile: string;
  /** Requests are not signed. */
  readonly anonymous: boolean;
  readonly caFile: string | null;
  /** Any certificate is taken. */
  readonly skipVerify: boolean;
}

const REGION = "us-east-1";

/**
 * The store of an alias: what the configuration says, and Amazon's for `s3` where it says nothing.
 * @param environment for `AWS_REGION` of Amazon's store
 * @returns null when the alias is unknown or has no endpoint
 */
export function storeOf(
  alias: string,
  aliases: Aliases,
  environment: Readonly<Record<string, string | undefined>>,
): Store | null {
  const amazon = alias === "s3";
  const given: Partial<Alias> | undefined = Object.hasOwn(aliases, alias) ? aliases[alias] : amazon ? {} : undefined;
  const region = given?.region ?? (amazon ? environment["AWS_REGION"] : undefined) ?? REGION;
  const endpoint = given?.endpoint ?? (amazon ? `https://s3.${region}.amazonaws.com` : undefined);
  if (given === undefined || endpoint === undefined) return null;
  const prefix = alias.toUpperCase().replaceAll("-", "_");
  return {
    alias,
    endpoint: new URL(endpoint),
    bucket: given.bucket ?? null,
    prefix: given.prefix ?? "",
    region,
    pathStyle: given.path_style ?? true,
    given: { accessKey: given.access_key ?? null, secretKey: given.secret_key ?? null },
    variables: {
      accessKey: given.access_key_env ?? (amazon ? "AWS_ACCESS_KEY_ID" : `${prefix}_ACCESS_KEY`),
      secretKey: given.secret_key_env ?? (amazon ? "AWS_SECRET_ACCESS_KEY" : `${prefix}_SECRET_KEY`),
      sessionToken: given.session_token_env ?? (amazon ? "AWS_SESSION_TOKEN" : `${prefix}_SESSION_TOKEN`),
    },
    credentialsFile: given.credentials_file ?? null,
    profile: given.credentials_profile ?? "default",
    anonymous: given.anonymous ?? false,
    caFile: given.ca_file ?? null,
    skipVerify: given.tls_verify === false,
  };
}

/** Address of an object: `key` is the part after the bucket. */
export function objectUrl({ endpoint, pathStyle }: Store, bucket: string, key: string): URL {
  const base = endpoint.pathname.replace(/\/$/, "");
  const path = key.split("/").map(encodeSegment).join("/");
  if (pathStyle) return new URL(`${base}/${encodeSegment(bucket)}/${path}`, endpoint);
  const url = new URL(`${base}/${path}`, endpoint);
  url.hostname = `${bucket}.${url.hostname}`;
  return url;
}

/** RFC 3986, as Signature Version 4 wants it. */
const encodeSegment = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
