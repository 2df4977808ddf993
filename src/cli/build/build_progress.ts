/** The bar of a build, with elapsed and expected time. */
import { SingleBar } from "cli-progress";
import type { BuildProgress } from "../../tensorrt/build/child/messages.ts";
import type { Terminal } from "../command.ts";

export interface BuildBar {
  /** @param expectedS seconds that the build will take, null when nobody knows */
  start(expectedS: number | null): void;
  update(progress: BuildProgress): void;
  /** Print something without the bar in its way. */
  pause(print: () => void): void;
  stop(): void;
}

const TICK_MS = 500;
const PHASE_WIDTH = 32;

/** `75 s`, `12 min`. */
export const secondsText = (seconds: number): string =>
  seconds < 100 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;

/** A bar on standard error; silent where nobody watches. */
export function buildBar({ interactive }: Pick<Terminal, "interactive">): BuildBar {
  if (!interactive) return { start() {}, update() {}, pause: (print) => print(), stop() {} };
  const bar = new SingleBar({
    format: "{bar} {percentage}% {phase} {elapsed}{expected}",
    clearOnComplete: true,
    hideCursor: true,
    stopOnComplete: false,
  });
  const begun = performance.now();
  let timer: ReturnType<typeof setInterval> | undefined;
  let fraction = 0;
  let phase = "starting";
  let expected: number | null = null;
  const payload = () => ({
    phase: phase.slice(0, PHASE_WIDTH),
    elapsed: secondsText((performance.now() - begun) / 1000),
    expected: expected === null ? "" : ` of about ${secondsText(expected)}`,
  });
  const draw = () => bar.update(Math.min(99, Math.floor(fraction * 100)), payload());
  const show = () => {
    bar.start(100, Math.min(99, Math.floor(fraction * 100)), payload());
    timer = setInterval(draw, TICK_MS);
  };
  const hide = () => {
    clearInterval(timer);
    bar.stop();
  };
  return {
    start(expectedS) {
      expected = expectedS;
      show();
    },
    update(progress) {
      fraction = Math.max(fraction, progress.fraction);
      phase = progress.phase === "" ? phase : progress.phase;
      draw();
    },
    pause(print) {
      hide();
      print();
      show();
    },
    stop: hide,
  };
}
