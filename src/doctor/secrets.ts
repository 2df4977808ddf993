/** Taking out of texts what must not leave the machine; pure. */

const HIDDEN = "***";

/** End of the name of something secret. */
const NAME = "(?:secret|token|passw(?:or)?d|passphrase|credential|(?:api|access|private)[_-]?key)[a-z0-9_-]{0,30}";

const RULES: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  // user and password in a URL
  [/\b([a-z][a-z0-9+.-]{1,20}:\/\/)[^\s\/"'@]{1,512}@/gi, `$1${HIDDEN}@`],
  // signed URLs
  [/([?&](?:x-amz-[a-z-]{1,40}|sig|signature|token|key|password|secret)=)[^&\s"']{1,2048}/gi, `$1${HIDDEN}`],
  [/\b(bearer|basic)\s+[a-z0-9._~+\/=-]{8,2048}/gi, `$1 ${HIDDEN}`],
  // "name": "value", NAME='value'
  [new RegExp(`(${NAME}["']?\\s{0,4}[=:]\\s{0,4})(["'])[^"'\\n]{0,2048}\\2`, "gi"), `$1$2${HIDDEN}$2`],
  // NAME=value
  [new RegExp(`(${NAME}["']?\\s{0,4}[=:]\\s{0,4})[^\\s,;"'}\\]*]{1,2048}`, "gi"), `$1${HIDDEN}`],
];

/**
 * The text without passwords, tokens, keys and the name of the user's home folder.
 * @param home absolute path of the home folder
 */
export function withoutSecrets(text: string, home: string | undefined): string {
  const shortened = home === undefined || home.length < 3 ? text : text.replaceAll(home, "~");
  return RULES.reduce((rest, [pattern, replacement]) => rest.replace(pattern, replacement), shortened);
}
