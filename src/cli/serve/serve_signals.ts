/** What signals tell a server. */

/** Service managers and terminals may send one stop twice: to the process and to its group. */
const SAME_STOP_MS = 300;

export interface ServeSignals extends Disposable {
  /** Resolves at the first stop. */
  readonly first: Promise<void>;
  /** Resolves at a later one: end at once. */
  readonly second: Promise<"now">;
}

/** SIGTERM and SIGINT stop, SIGHUP reads the models again. */
export function listenForSignals(onReload: () => void): ServeSignals {
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<"now">();
  let firstAt: number | undefined;
  const onStop = () => {
    if (firstAt === undefined) {
      firstAt = performance.now();
      first.resolve();
    } else if (performance.now() - firstAt > SAME_STOP_MS) second.resolve("now");
  };
  const listeners = [["SIGTERM", onStop], ["SIGINT", onStop], ["SIGHUP", onReload]] as const;
  for (const [signal, listener] of listeners) Deno.addSignalListener(signal, listener);
  return {
    first: first.promise,
    second: second.promise,
    [Symbol.dispose]() {
      for (const [signal, listener] of listeners) Deno.removeSignalListener(signal, listener);
    },
  };
}
