/** multipart/form-data as plainly as it can be written: text, `split` and one character at a time. */

export interface ReferencePart {
  name: string;
  filename: string | null;
  type: string | null;
  /** Latin-1 text of the content. */
  content: string;
}

/** @param body Latin-1 text @returns null when the body breaks a rule */
export function referenceSplit(body: string, boundary: string): ReferencePart[] | null {
  const pieces = `\r\n${body}`.split(`\r\n--${boundary}`).slice(1);
  const parts: ReferencePart[] = [];
  for (const piece of pieces) {
    if (piece.startsWith("--")) return parts;
    const rest = piece.replace(/^[ \t]*/, "");
    if (!rest.startsWith("\r\n")) return null;
    const part = referencePart(rest.slice(2));
    if (part === null || parts.length === 32) return null;
    parts.push(part);
  }
  return null;
}

function referencePart(text: string): ReferencePart | null {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0 || end + 4 > 8192) return null;
  const headers: Record<string, string> = {};
  for (const line of text.slice(0, end).split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon < 1) return null;
    headers[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim();
  }
  const disposition = headers["content-disposition"];
  if (disposition === undefined || !/^form-data\s*;/i.test(disposition)) return null;
  if (!["7bit", "8bit", "binary"].includes((headers["content-transfer-encoding"] ?? "binary").toLowerCase())) {
    return null;
  }
  const parameters = referenceParameters(disposition);
  const name = parameters.find(([key]) => key === "name")?.[1];
  if (name === undefined) return null;
  const filename = parameters.find(([key]) => key === "filename")?.[1] ?? null;
  const type = headers["content-type"] === undefined
    ? null
    : headers["content-type"].split(";")[0]!.trim().toLowerCase();
  return { name, filename, type, content: text.slice(end + 4) };
}

function referenceParameters(value: string): [string, string][] {
  const found: [string, string][] = [];
  let at = value.indexOf(";");
  const skip = () => {
    while (at < value.length && /\s/.test(value[at]!)) at++;
  };
  while (value[at] === ";") {
    at++;
    skip();
    let name = "";
    while (at < value.length && /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(value[at]!)) name += value[at++];
    skip();
    if (name === "" || value[at] !== "=") break;
    at++;
    skip();
    let text = "";
    if (value[at] === '"') {
      at++;
      while (at < value.length && value[at] !== '"') {
        if (value[at] === "\\") {
          const next = value[at + 1];
          if (next === undefined) return found;
          text += next === '"' || next === "\\" ? next : `\\${next}`;
          at += 2;
        } else if (value.startsWith("%22", at)) {
          text += '"';
          at += 3;
        } else text += value[at++];
      }
      if (value[at] !== '"') break;
      at++;
    } else {
      while (at < value.length && !/[";\s]/.test(value[at]!)) text += value[at++];
      if (text === "") break;
    }
    skip();
    found.push([name.toLowerCase(), text]);
  }
  return found;
}
