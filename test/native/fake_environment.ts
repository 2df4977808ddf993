/** The environment of a trtd that meets fake GPUs, and a TensorRT that computes what a description says. */
import { dirname, join } from "node:path";
import { fakeSet, shimAndFakes } from "./children.ts";

/** One GPU: its name, compute capability and megabytes. */
const GPU = "NVIDIA Fake 4090:8.9:24564";

export interface FakeEnvironment {
  /** Holds `fake.txt`, what the model computes; gets the cache. */
  readonly folder: string;
  /** A set of the fakes, such as `10.16`. */
  readonly set: string;
  /** Words for the fakes. @default "" */
  readonly script?: string;
  /** @default one GPU */
  readonly gpus?: readonly string[];
}

export const fakeEnvironment = (
  { folder, set, script = "", gpus = [GPU] }: FakeEnvironment,
): Record<string, string> => ({
  LD_LIBRARY_PATH: dirname(fakeSet(set).cuda),
  TRTD_SHIM: shimAndFakes().shim,
  TRTD_FAKE: script,
  TRTD_FAKE_GPUS: gpus.join(";"),
  TRTD_FAKE_MODEL: join(folder, "fake.txt"),
  TRTD_CACHE_DIR: join(folder, "cache"),
  NO_COLOR: "1",
});
