/** Builds of engines that go as the test says. */
import type { BuildLine } from "../../../src/serving/engine/build_messages.ts";
import { type BuildEnded, type BuiltFor, EngineBuilds } from "../../../src/serving/engine/engine_builds.ts";
import type { RunningBuild } from "../../../src/serving/engine/build_process.ts";
import { FakeClock } from "../fake_clock.ts";

type Ended = Awaited<RunningBuild["ended"]>;

export interface ScriptedBuild {
  readonly model: string;
  readonly kind: BuiltFor;
  say(line: BuildLine): void;
  end(result: Ended["result"], error?: Ended["error"]): void;
}

export interface ScriptedBuilds {
  readonly builds: EngineBuilds;
  readonly clock: FakeClock;
  /** Builds that were started. */
  readonly started: ScriptedBuild[];
  readonly events: BuildEnded[];
  /** Models that were taken over. */
  readonly taken: string[];
}

export function scriptedBuilds(
  models: readonly string[],
  takeOver: (model: string) => Promise<void> = () => Promise.resolve(),
  kinds?: readonly string[],
): ScriptedBuilds {
  const clock = new FakeClock();
  const started: ScriptedBuild[] = [];
  const events: BuildEnded[] = [];
  const taken: string[] = [];
  const builds = new EngineBuilds({
    models,
    ...(kinds === undefined ? {} : { kinds }),
    clock,
    startBuild(model, say, kind) {
      const { promise, resolve } = Promise.withResolvers<Ended>();
      const end: ScriptedBuild["end"] = (result, error = null) => resolve({ type: "ended", result, error });
      started.push({ model, kind, say, end });
      return { ended: promise, cancel: () => end("cancelled") };
    },
    takeOver: (model, kind) =>
      takeOver(model).then(() => void taken.push(kind === null ? model : `${model} on ${kind}`)),
    onEvent: (event) => events.push(event),
  });
  return { builds, clock, started, events, taken };
}
