/** Taking out of texts what must not leave the process: log lines, messages, reports. */

/** What stands where a secret was. */
export const HIDDEN = "***";

/** Shorter values are words of ordinary texts too. */
const REMEMBERED_LENGTH_MIN = 6;

/** Words that make a name secret. */
const WORD = "(?:secret|token|passw(?:or)?d|passphrase|credential|(?:api|access|private)[_-]?key)";

/** The rest of such a name; a name of a file or a variable tells where a secret is, not what it is. */
const NAME = `${WORD}(?![a-z0-9_-]{0,30}_(?:file|env|path|dir|profile|timeout_ms)\\b)[a-z0-9_-]{0,30}`;

const RULES: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  // user and password in a URL
  [/\b([a-z][a-z0-9+.-]{1,20}:\/\/)[^\s\/"'@]{1,512}@/gi, `$1${HIDDEN}@`],
  // signed URLs
  [
    /([?&](?:x-amz-[a-z-]{1,40}|sig|signature|(?:api|access)[_-]?key|[a-z_-]{0,20}token|key|password|secret)=)[^&\s"']{1,2048}/gi,
    `$1${HIDDEN}`,
  ],
  [/\b(bearer|basic)\s+[a-z0-9._~+\/=-]{8,2048}/gi, `$1 ${HIDDEN}`],
  // keys that trtd makes
  [/\btrtd_[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])/g, `trtd_${HIDDEN}`],
  // "name": "value", NAME='value'
  [new RegExp(`(${NAME}["']?\\s{0,4}[=:]\\s{0,4})(["'])[^"'\\n]{0,2048}\\2`, "gi"), `$1$2${HIDDEN}$2`],
  // NAME=value
  [new RegExp(`(${NAME}["']?\\s{0,4}[=:]\\s{0,4})[^\\s,;"'}\\]*]{1,2048}`, "gi"), `$1${HIDDEN}`],
];

const SECRET_NAME = new RegExp(`${NAME}$`, "i");

const remembered = new Set<string>();

/** From now on this value is hidden wherever it stands in a text; values of less than 6 characters are not. */
export function rememberSecret(value: string): void {
  if (value.length >= REMEMBERED_LENGTH_MIN) remembered.add(value);
}

/** Whether a member of that name holds a secret: `secret_key` does, `secret_key_env` does not. */
export const isSecretName = (name: string): boolean => SECRET_NAME.test(name);

/**
 * The text without passwords, tokens, keys, remembered secrets and the name of the user's home folder.
 * @param home absolute path of the home folder @default none
 */
export function withoutSecrets(text: string, home?: string): string {
  let rest = home === undefined || home.length < 3 ? text : text.replaceAll(home, "~");
  for (const secret of remembered) rest = rest.replaceAll(secret, HIDDEN);
  return RULES.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), rest);
}

/** A JSON value whose texts are without secrets and whose members of secret names are hidden. */
export function valueWithoutSecrets(value: unknown, home?: string): unknown {
  if (typeof value === "string") return withoutSecrets(value, home);
  if (Array.isArray(value)) return value.map((one) => valueWithoutSecrets(one, home));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      isSecretName(name) && typeof inner === "string" ? HIDDEN : valueWithoutSecrets(inner, home),
    ]),
  );
}
