/** The progress of a download: a bar where somebody watches, else a line now and then. */
import { SingleBar } from "cli-progress";
import type { DownloadProgress } from "../../models/sources/download.ts";
import { plainText } from "../../onnx/quoted.ts";
import type { Terminal } from "../command.ts";

export interface DownloadBar {
  update(progress: DownloadProgress): void;
  /** Print something without the bar in its way. */
  pause(print: () => void): void;
  stop(): void;
}

const LINE_MS = 5000;

/** `45.0 MB` */
export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/**
 * @param shown the source
 * @param now milliseconds @default the process's clock
 */
export function downloadBar(
  shown: string,
  terminal: Pick<Terminal, "interactive" | "note">,
  now: () => number = () => performance.now(),
): DownloadBar {
  const rate = rateMeter(now);
  return terminal.interactive ? bar(rate) : lines(shown, terminal, { rate, now });
}

type Rate = (progress: DownloadProgress) => string;

/** Megabytes a second since the first byte of this download. */
function rateMeter(now: () => number): Rate {
  let first: { readonly atMs: number; readonly bytes: number } | null = null;
  return ({ bytes }) => {
    first ??= { atMs: now(), bytes };
    const seconds = (now() - first.atMs) / 1000;
    return seconds < 0.1 ? "" : `${((bytes - first.bytes) / 1e6 / seconds).toFixed(1)} MB/s`;
  };
}

function lines(
  shown: string,
  terminal: Pick<Terminal, "note">,
  { rate, now }: { readonly rate: Rate; readonly now: () => number },
): DownloadBar {
  let toldAt = now();
  return {
    update(progress) {
      const speed = rate(progress);
      if (now() - toldAt < LINE_MS) return;
      toldAt = now();
      const { bytes, total } = progress;
      const of = total === null ? "" : ` of ${megabytes(total)} (${Math.floor(bytes / total * 100)} %)`;
      terminal.note(`trtd: "${plainText(shown)}": ${megabytes(bytes)}${of}, ${speed}`);
    },
    pause: (print) => print(),
    stop() {},
  };
}

function bar(rate: Rate): DownloadBar {
  const single = new SingleBar({ format: "{bar} {done}{of}  {rate}  {left}", clearOnComplete: true, hideCursor: true });
  let shown: DownloadProgress | null = null;
  const payload = (progress: DownloadProgress) => ({
    done: megabytes(progress.bytes),
    of: progress.total === null ? "" : ` of ${megabytes(progress.total)}`,
    rate: rate(progress),
    left: progress.total === null ? "" : `${Math.floor(progress.bytes / Math.max(1, progress.total) * 100)} %`,
  });
  const start = (progress: DownloadProgress) =>
    single.start(Math.max(1, progress.total ?? progress.bytes), progress.bytes, payload(progress));
  return {
    update(progress) {
      if (shown === null || shown.total !== progress.total) start(progress);
      else single.update(progress.bytes, payload(progress));
      shown = progress;
    },
    pause(print) {
      if (shown !== null) single.stop();
      print();
      if (shown !== null) start(shown);
    },
    stop() {
      if (shown !== null) single.stop();
    },
  };
}
