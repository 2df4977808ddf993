/** HTTP as bytes, so that it can be wrong. */
import { PATIENCE_MS, pause, until } from "../../until.ts";

/** What one connection brought back. */
export interface RawReply {
  /** Statuses of the final answers in order; 1xx are left out. */
  readonly statuses: readonly number[];
  /** Headers of the last answer, lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** Body of the last answer. */
  readonly body: string;
  /** Whether the server ended the connection. */
  readonly closed: boolean;
}

/** Bytes or text to send, milliseconds to pause, something to do and wait for, or answers to wait for. */
export type Step = string | Uint8Array | number | (() => unknown) | { readonly answers: number };

export interface ExchangeOptions {
  readonly host: string;
  readonly port: number;
  /** Answers to wait for. @default 1 */
  readonly answers?: number;
  /** Wait for the server to end the connection. @default false */
  readonly untilClosed?: boolean;
  /** Close after the last step without reading. @default false */
  readonly abort?: boolean;
}

/** Send the steps over one connection and collect what comes back. */
export async function exchange(steps: readonly Step[], options: ExchangeOptions): Promise<RawReply> {
  const connection = await Deno.connect({ hostname: options.host, port: options.port });
  let text = "";
  let closed = false;
  const wanted = options.answers ?? 1;
  const done = Promise.withResolvers<void>();
  const reading = (async () => {
    const buffer = new Uint8Array(65_536);
    try {
      for (let count = await connection.read(buffer); count !== null; count = await connection.read(buffer)) {
        for (let at = 0; at < count; at += 4096) {
          text += String.fromCharCode(...buffer.subarray(at, Math.min(count, at + 4096)));
        }
        if (options.untilClosed !== true && answersIn(text).length >= wanted) done.resolve();
      }
    } catch {
      closed = true;
    }
    closed = true;
    done.resolve();
  })();
  let isOver = false;
  const timer = setTimeout(() => {
    isOver = true;
    done.resolve();
  }, PATIENCE_MS);
  const encoded = steps.map((step) => typeof step === "string" ? bytesFrom(step) : step);
  try {
    for (const step of encoded) {
      if (closed || isOver) break;
      if (typeof step === "number") await pause(step);
      else if (typeof step === "function") await step();
      else if ("answers" in step) await until("answered", () => closed || answersIn(text).length >= step.answers);
      else for (let at = 0; at < step.length;) at += await connection.write(step.subarray(at));
    }
  } catch {
    closed = true;
  }
  if (options.abort !== true) await done.promise;
  clearTimeout(timer);
  const endedByServer = closed;
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
  await reading;
  const answers = answersIn(text, true);
  const last = answers.at(-1);
  return {
    statuses: answers.map((answer) => answer.status),
    headers: last?.headers ?? {},
    body: last?.body ?? "",
    closed: endedByServer,
  };
}

/** Latin-1 */
function bytesFrom(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** Whole final answers; at the end of the connection one without a length counts too. */
function answersIn(text: string, ended = false): Answer[] {
  const answers: Answer[] = [];
  for (let rest = text; rest.startsWith("HTTP/");) {
    const end = rest.indexOf("\r\n\r\n");
    if (end < 0) break;
    const [line, ...lines] = rest.slice(0, end).split("\r\n");
    const status = Number(line!.split(" ")[1]);
    const headers = Object.fromEntries(lines.map((header) => {
      const colon = header.indexOf(":");
      return [header.slice(0, colon).toLowerCase(), header.slice(colon + 1).trim()];
    }));
    rest = rest.slice(end + 4);
    if (status < 200) continue;
    const length = headers["content-length"];
    if (length === undefined && headers["transfer-encoding"] === undefined && status !== 204) {
      if (ended) answers.push({ status, headers, body: rest });
      break;
    }
    const size = length === undefined ? Math.max(0, rest.indexOf("0\r\n\r\n")) + 5 : Number(length);
    if (length !== undefined && rest.length < size && !ended) break;
    answers.push({ status, headers, body: rest.slice(0, size) });
    rest = rest.slice(size);
  }
  return answers;
}
