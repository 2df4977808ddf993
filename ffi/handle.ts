/** Lifetimes: `using` or `close()` is the way, a finalizer is the net. */

import { call } from "./call.ts";
import { loadShim } from "./load.ts";

const net = new FinalizationRegistry<bigint>((handle) => {
  loadShim().symbols.trtd_close(handle, null);
});

/** Owns one object of libtrtd. Closing it twice is harmless; using it afterwards is a `ShimError`. */
export abstract class Owned implements Disposable {
  #handle: bigint;

  protected constructor(handle: bigint) {
    this.#handle = handle;
    net.register(this, handle, this);
  }

  /** The id for calls; 0 once closed. */
  get handle(): bigint {
    return this.#handle;
  }

  /** Ends the object; what was made from it lives on. */
  close(): void {
    const handle = this.#handle;
    if (handle === 0n) return;
    this.#handle = 0n;
    net.unregister(this);
    call((symbols, error) => symbols.trtd_close(handle, error));
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Number of objects that libtrtd holds for this process. */
export function liveHandles(): number {
  return Number(loadShim().symbols.trtd_live_handles());
}
