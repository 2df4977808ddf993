/** A progress bar with rate and time left; silent where nobody watches. */
import { SingleBar } from "cli-progress";
import type { Terminal } from "./command.ts";

export interface Progress {
  /** One more is done. */
  step(): void;
  /** Print something without the bar in its way. */
  pause(print: () => void): void;
  stop(): void;
}

/** Start a bar on standard error for `total` pictures; no bar for a single one or when nobody watches. */
export function startProgress(total: number, terminal: Pick<Terminal, "interactive">): Progress {
  if (!terminal.interactive || total < 2) return { step: () => {}, pause: (print) => print(), stop: () => {} };
  const startedMs = performance.now();
  const bar = new SingleBar({
    format: "{bar} {value}/{total}  {rate} pictures/s  {eta_formatted} left",
    clearOnComplete: true,
    hideCursor: true,
    etaBuffer: 50,
  });
  let done = 0;
  const payload = () => ({ rate: (done / Math.max(1e-3, (performance.now() - startedMs) / 1000)).toFixed(1) });
  bar.start(total, 0, payload());
  return {
    step: () => bar.update(++done, payload()),
    pause(print) {
      bar.stop();
      print();
      bar.start(total, done, payload());
    },
    stop: () => bar.stop(),
  };
}
