/** The keys of a store: from environment variables or a file, never from the command line or the configuration. */
import { TrtdError } from "../../errors.ts";
import { fileFailure } from "../model_file.ts";
import type { Store } from "./alias.ts";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | null;
}

const FILE_BYTES_MAX = 65_536;

/**
 * The keys of a store; null for one that is asked without.
 * @param environment environment variables
 * @param onRemark told when others may read the file
 * @throws {TrtdError} `CREDENTIALS_MISSING`, `FILE_NOT_FOUND`, `FILE_UNREADABLE`; no message quotes what it read
 */
export async function credentialsOf(
  store: Store,
  environment: Readonly<Record<string, string | undefined>>,
  onRemark: (text: string) => void,
): Promise<Credentials | null> {
  if (store.anonymous) return null;
  if (store.credentialsFile !== null) return await fromFile(store.credentialsFile, store.profile, onRemark);
  const { given, variables } = store;
  const accessKeyId = environment[variables.accessKey] || given.accessKey;
  const secretAccessKey = environment[variables.secretKey] || given.secretKey;
  if (!accessKeyId || !secretAccessKey) {
    const missing = [accessKeyId ? [] : [variables.accessKey], secretAccessKey ? [] : [variables.secretKey]].flat();
    throw new TrtdError("CREDENTIALS_MISSING", `The alias "${store.alias}" needs ${missing.join(" and ")}`, {
      remedy: `Set ${
        missing.join(" and ")
      } in the environment, or "credentials_file" or "anonymous": true in the alias`,
    });
  }
  return { accessKeyId, secretAccessKey, sessionToken: environment[variables.sessionToken] || null };
}

async function fromFile(path: string, profile: string, onRemark: (text: string) => void): Promise<Credentials> {
  let text: string;
  try {
    const { isFile, size, mode } = await Deno.stat(path);
    if (!isFile || size > FILE_BYTES_MAX) {
      throw new TrtdError("FILE_UNREADABLE", `"${path}" is no regular file of at most ${FILE_BYTES_MAX} bytes`);
    }
    if (((mode ?? 0) & 0o077) !== 0) onRemark(`Other users may read the keys in "${path}": chmod 600 mends that`);
    text = await Deno.readTextFile(path);
  } catch (thrown) {
    throw fileFailure(path, thrown);
  }
  const fields = fieldsOf(text, profile);
  const accessKeyId = fields["access_key"] ?? fields["aws_access_key_id"];
  const secretAccessKey = fields["secret_key"] ?? fields["aws_secret_access_key"];
  const sessionToken = fields["session_token"] ?? fields["aws_session_token"] ?? null;
  if (accessKeyId !== undefined && secretAccessKey !== undefined) return { accessKeyId, secretAccessKey, sessionToken };
  throw new TrtdError("CREDENTIALS_MISSING", `"${path}" names no access_key and secret_key for "${profile}"`, {
    remedy: 'Write {"access_key": "...", "secret_key": "..."} into it, or the lines that the AWS tools use',
  });
}

/** The texts of a JSON object, or the `NAME = VALUE` lines of a section; lines before any section are of each. */
function fieldsOf(text: string, profile: string): Readonly<Record<string, string>> {
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json !== "object" || json === null) return {};
    return Object.fromEntries(
      Object.entries(json).filter((entry): entry is [string, string] =>
        typeof entry[1] === "string" && entry[1] !== ""
      ),
    );
  } catch {
    const fields: Record<string, string> = {};
    let ours = true;
    for (const line of text.split(/\r?\n/)) {
      const section = /^\s*\[\s*(.*?)\s*\]\s*$/.exec(line)?.[1];
      if (section !== undefined) ours = section === profile || section === `profile ${profile}`;
      const [, name, value] = /^\s*([A-Za-z_]+)\s*=\s*(\S+)\s*$/.exec(line) ?? [];
      if (ours && name !== undefined && value !== undefined) fields[name.toLowerCase()] = value;
    }
    return fields;
  }
}
