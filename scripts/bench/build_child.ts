/**
 * What the build child costs, measured with the fake TensorRT 10.16.
 *
 *     deno run -A scripts/bench/build_child.ts
 *
 * Goals: at most 300 ms for the child beyond TensorRT's own work, under 1 s for 100,000 lines of log.
 */
import { fakeBuild } from "../../test/tensorrt/build/fake_build.ts";

const ROUNDS = 7;

async function median(script: string): Promise<{ totalMs: number; tensorrtMs: number }> {
  const rounds: { totalMs: number; tensorrtMs: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const begun = performance.now();
    const { result } = await fakeBuild({ set: "10.16", script });
    const totalMs = performance.now() - begun;
    if (result === null) throw new Error("The fake build failed");
    const { open = 0, parse = 0, build = 0 } = result.facts.timings_ms;
    rounds.push({ totalMs, tensorrtMs: open + parse + build });
  }
  rounds.sort((a, b) => a.totalMs - b.totalMs);
  return rounds[ROUNDS >> 1]!;
}

await median("");
const plain = await median("");
const flood = await median("flood=100000");
console.log(`child: ${Math.round(plain.totalMs - plain.tensorrtMs)} ms beyond TensorRT's work (goal 300)`);
console.log(`flood of 100,000 lines: ${Math.round(flood.totalMs - plain.totalMs)} ms more (goal 1000)`);
if (plain.totalMs - plain.tensorrtMs > 300 || flood.totalMs - plain.totalMs > 1000) Deno.exit(1);
