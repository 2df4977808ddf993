/** Random calls through the whole interface: whatever the arguments, a call answers with a status. */

import { Device, openCuda } from "../../ffi/cuda.ts";
import { Status } from "../../ffi/enums.ts";
import { TensorRtLibrary } from "../../ffi/library.ts";
import { liveHandles } from "../../ffi/handle.ts";
import { loadShim } from "../../ffi/load.ts";
import { symbols } from "../../ffi/symbols.ts";
import type { FakeSet } from "./children.ts";
import { MODEL, SHAPES } from "./scenario_steps.ts";

type Name = keyof typeof symbols;
type Argument = bigint | number | Uint8Array<ArrayBuffer> | null;

/** These answer with a number that is no status. */
const NUMBERS: readonly Name[] = ["trtd_abi_version", "trtd_live_handles", "trtd_address"];

/** These write to descriptors and files by number and name, or need memory of the right size, as a GPU does. */
const LEFT_OUT: readonly Name[] = [
  "trtd_log_to_descriptor",
  "trtd_log_to_file",
  "trtd_blob_write_descriptor",
  "trtd_blob_write_file",
  "trtd_cuda_open",
  "trtd_cuda_runtime_version",
  "trtd_context_enqueue",
];

const BUFFER_BYTES = 4096;

/** xorshift32. */
function randomFrom(seed: number): (limit: number) => number {
  let state = seed | 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

/** Keeps what the calls work on from the collector. */
const keep: unknown[] = [];

/** One open object of every kind, by the word that its functions' names begin with. */
async function objects(set: FakeSet): Promise<Record<string, bigint>> {
  const library = await TensorRtLibrary.open(set.core);
  await library.openParser(set.parser);
  const device = await Device.open(0);
  const [builder, runtime] = [await library.createBuilder({ device }), await library.createRuntime({ device })];
  const network = builder.createNetwork();
  await network.parse(new TextEncoder().encode(MODEL));
  const [config, profile] = [builder.createConfig(), builder.createProfile()];
  profile.setShapes("images", SHAPES);
  config.addProfile(profile);
  const blob = await builder.build(network, config);
  const engine = await runtime.load(blob.read());
  const context = await engine.createContext(set.plugins === null ? { runtimeCache: new Uint8Array(0) } : {});
  const [stream, memory] = [device.createStream(), device.allocate(BUFFER_BYTES)];
  const all = { library, device, builder, runtime, network, config, profile, blob, engine, context, stream, memory };
  keep.push(all);
  return Object.fromEntries(Object.entries(all).map(([kind, object]) => [kind, object.handle]));
}

/** Makes `argument.calls` calls and counts the answers. */
export async function fuzz(argument: { set: FakeSet; seed: number; calls: number }) {
  const random = randomFrom(argument.seed);
  const pick = <T>(list: readonly T[]): T => list[random(list.length)]!;
  await openCuda(argument.set.cuda);
  const kinds = await objects(argument.set);
  const handles = Object.values(kinds);
  const kept = liveHandles();
  const texts = ["images", "output0", "", "nothing", "EfficientNMS_TRT", MODEL, argument.set.core, "é".repeat(600)];

  const buffer = (): Argument => {
    if (random(8) === 0) return null;
    const bytes = new Uint8Array(BUFFER_BYTES);
    if (random(2) === 0) new TextEncoder().encodeInto(pick(texts), bytes.subarray(0, BUFFER_BYTES - 1));
    else {for (let i = 0; i < 96; i += 4) {
        new DataView(bytes.buffer).setInt32(i, pick([-1, 0, 1, 2, 3, 4, 9, 0x7fffffff]), true);
      }}
    return bytes;
  };
  const i32 = () => pick([-1, 0, 1, 2, 3, 5, 7, 22, 23, 75, 1000, 0x7fffffff, -0x80000000]);
  const strange = [0n, 1n, 8n, 96n, BigInt(BUFFER_BYTES), 999_999n, 2n ** 63n, 2n ** 64n - 1n];
  // Mostly the kind that the function is for, so that calls get past the first check.
  const handle = (name: string) => {
    const fitting = kinds[name.split("_")[1]!];
    if (fitting !== undefined && random(4) > 0) return fitting;
    return random(3) > 0 ? pick(handles) : pick(strange);
  };
  // A size that says more than the buffer behind it holds breaks the contract, so those are bounded.
  const size = () => pick([0n, 1n, 7n, 32n, 100n, BigInt(BUFFER_BYTES)]);

  const loaded = loadShim().symbols as unknown as Record<string, (...list: Argument[]) => unknown>;
  const names = (Object.keys(symbols) as Name[]).filter((name) => !LEFT_OUT.includes(name));
  const answers: Record<string, number> = {};
  for (let call = 0; call < argument.calls; call++) {
    const name = pick(names);
    const types: readonly unknown[] = symbols[name].parameters;
    // After a buffer, a 64-bit number is its size; before one, a handle.
    const list = types.map((type, at): Argument => {
      if (type === "buffer") return buffer();
      if (type === "u64" && at > 0 && name !== "trtd_builder_build") {
        const isSize = types.slice(0, at).includes("buffer") || name === "trtd_memory_allocate";
        return isSize ? size() : handle("");
      }
      if (type === "u64") return at === 0 ? handle(name) : kinds[at === 1 ? "network" : "config"]!;
      if (type === "u32") return random(17);
      return type === "i64" ? BigInt(i32()) : i32();
    });
    if (name === "trtd_close" && handles.includes(list[0] as bigint)) continue;
    if (name === "trtd_log_to_ring") list[0] = size();
    const status = await loaded[name]!(...list);
    if (NUMBERS.includes(name)) continue;
    const known = Status[status as number];
    if (known === undefined) throw new Error(`${name} answered ${status}`);
    answers[known] = (answers[known] ?? 0) + 1;
  }
  return { answers, kept, left: liveHandles() };
}

/** What the scenario prints. */
export type Fuzzed = Awaited<ReturnType<typeof fuzz>>;
