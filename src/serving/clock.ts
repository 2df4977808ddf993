/** Time as serving sees it, so that tests need not wait for it. */

export interface Clock {
  /** Milliseconds that only grow, from any start. */
  now(): number;
  /** Call `act` once after so many milliseconds. @returns what cancels it, harmless when repeated or late */
  after(ms: number, act: () => void): () => void;
}

/** Longest delay of a timer (HTML, 32 bits). */
const TIMER_MAX_MS = 2_147_483_647;

export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  after(ms, act) {
    const timer = setTimeout(act, Math.min(ms, TIMER_MAX_MS));
    return () => clearTimeout(timer);
  },
};
