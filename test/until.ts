/** Waiting for what somebody else does, in this process or in another. */

/** Longest wait for what must happen, milliseconds: a slow machine that does other things too is no failure. */
export const PATIENCE_MS = 60_000;

export interface UntilOptions {
  /** @default {@link PATIENCE_MS} */
  readonly timeoutMs?: number;
  /** Milliseconds between two looks. @default 5 */
  readonly everyMs?: number;
  /** What the error tells beside. */
  readonly tells?: () => unknown;
}

/**
 * Wait until something holds.
 * @param what completes "Not ..."
 * @returns milliseconds that it took
 * @throws {Error} when it does not hold in time
 */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  { timeoutMs = PATIENCE_MS, everyMs = 5, tells = () => "" }: UntilOptions = {},
): Promise<number> {
  const began = performance.now();
  while (!await holds()) {
    if (performance.now() - began > timeoutMs) throw new Error(`Not ${what} after ${timeoutMs} ms: ${tells()}`);
    await pause(everyMs);
  }
  return performance.now() - began;
}

/** Let time pass. Only for a client that is slow on purpose: for what must have happened there is {@link until}. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
