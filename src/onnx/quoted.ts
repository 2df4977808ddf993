/** Names out of a file, made safe for messages. */

const COLUMNS_MAX = 80;

/** Text without control and formatting characters, which would reach the terminal; those are shown as `\u{...}`. */
export const plainText = (text: string): string =>
  text.replace(/\p{C}/gu, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`);

/** At most so many characters, with an ellipsis where text is left out. */
export const shortText = (text: string, columns: number): string =>
  plainText(text.length <= columns ? text : `${text.slice(0, columns - 3)}...`);

/** A name in quotes, shortened when it is absurdly long. */
export const quoted = (name: string | undefined): string => `"${shortText(name ?? "", COLUMNS_MAX)}"`;
