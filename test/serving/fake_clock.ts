/** A clock that stands until a test moves it. */
import type { Clock } from "../../src/serving/clock.ts";

interface Timer {
  readonly atMs: number;
  readonly act: () => void;
}

export class FakeClock implements Clock {
  #now: number;
  readonly #timers = new Set<Timer>();

  constructor(now = 1000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, act: () => void): () => void {
    const timer = { atMs: this.#now + ms, act };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Time passes and nothing of what is due happens: the machine was suspended. */
  sleep(ms: number): void {
    this.#now += ms;
  }

  /** Let time pass; what is due happens in its order, with promises settled between. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (let i = 0; i < 100_000; i++) {
      await settled();
      const [next] = [...this.#timers].filter(({ atMs }) => atMs <= end).sort((a, b) => a.atMs - b.atMs);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.atMs);
      next.act();
    }
    this.#now = end;
    await settled();
  }
}

/** Every promise that can be settled without time passing is. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}
