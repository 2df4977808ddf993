/** Standard error. A command that ends waits for whoever reads it; a server must not: a full pipe would stop it. */

/** Most bytes that wait for a reader; what comes then is lost and counted. */
const WAITING_MAX_BYTES = 1_048_576;
const FLUSH_MS = 500;

const encoder = new TextEncoder();
let waiting: Uint8Array[] | null = null;
let waitingBytes = 0;
let lost = 0;
let writing: Promise<void> | undefined;

/** From now on nobody waits for the reader: at most 1 MiB is kept for one who is slow. */
export function neverWaitForReader(): void {
  waiting ??= [];
}

/** Write whole lines. A pipe that nobody reads any more is no error. */
export function writeStandardError(lines: string): void {
  const bytes = encoder.encode(lines);
  if (waiting === null) return writeNow(bytes);
  if (waitingBytes + bytes.length > WAITING_MAX_BYTES) {
    lost++;
    return;
  }
  const pieces = lost === 0 ? [bytes] : [encoder.encode(`trtd: ${lost} messages were lost: nobody read them\n`), bytes];
  lost = 0;
  for (const piece of pieces) {
    waiting.push(piece);
    waitingBytes += piece.length;
  }
  writing ??= writeWaiting(waiting);
}

/** Wait for what was written to be on its way, for half a second at most. */
export async function flushStandardError(): Promise<void> {
  if (writing === undefined) return;
  let timer: ReturnType<typeof setTimeout> | undefined;
  await Promise.race([writing, new Promise((resolve) => timer = setTimeout(resolve, FLUSH_MS))]);
  clearTimeout(timer);
}

function writeNow(bytes: Uint8Array): void {
  try {
    for (let at = 0; at < bytes.length;) at += Deno.stderr.writeSync(bytes.subarray(at));
  } catch {
    return;
  }
}

async function writeWaiting(pieces: Uint8Array[]): Promise<void> {
  for (let piece = pieces.shift(); piece !== undefined; piece = pieces.shift()) {
    try {
      for (let at = 0; at < piece.length;) at += await Deno.stderr.write(piece.subarray(at));
    } catch {
      // Whoever read it is gone.
    }
    waitingBytes -= piece.length;
  }
  writing = undefined;
}
