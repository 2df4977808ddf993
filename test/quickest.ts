/** How long something takes on a machine that does other things too. */

/** Milliseconds of the quickest of several runs: only what is over the limit is run again. @param attempts @default 5 */
export function quickestMs(act: () => unknown, limitMs: number, attempts = 5): number {
  let best = Infinity;
  for (let attempt = 0; attempt < attempts && best >= limitMs; attempt++) {
    const began = performance.now();
    act();
    best = Math.min(best, performance.now() - began);
  }
  return best;
}
