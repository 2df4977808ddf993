/** A folder of models and a pull with the patience of a slow machine. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { type ErrorCode, TrtdError } from "../../../src/errors.ts";
import {
  type Pulled,
  pullModel,
  type PullRequest,
  type PullSettings,
  type PullWatch,
} from "../../../src/models/pull.ts";
import type { Aliases } from "../../../src/models/sources/alias.ts";
import { parseSource } from "../../../src/models/sources/source.ts";
import { writeModel } from "../../../src/onnx/write.ts";
import { floatTensor, model, node, value } from "../../onnx/build_model.ts";

/** An ONNX model of about so many bytes; seeds make them differ. */
export function someModel(bytes: number, seed = 1): Uint8Array<ArrayBuffer> {
  let state = seed;
  const weights = Float32Array.from({ length: bytes >> 2 }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  });
  const shape = [weights.length];
  return Uint8Array.from(writeModel(model({
    node: [node("Add", { inputs: ["images", "weights"], outputs: ["output"] })],
    input: [value("images", shape)],
    output: [value("output", shape)],
    initializer: [floatTensor("weights", shape, weights)],
  })));
}

export const sha256Of = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

export interface Rig {
  readonly modelsDir: string;
  /** @throws {TrtdError} */
  pull(word: string, options?: PullOptions): Promise<Pulled>;
  /** The error of a pull that must fail. */
  refused(word: string, options?: PullOptions): Promise<TrtdError>;
  /** Every file below the folder of models, but for locks and empty folders. */
  files(): Promise<string[]>;
}

export interface PullOptions {
  readonly name?: string;
  readonly sha256?: string;
  readonly labels?: string;
  readonly refresh?: boolean;
  readonly settings?: Partial<PullSettings>;
  readonly watch?: Partial<PullWatch>;
  readonly aliases?: Aliases;
  readonly trustedHosts?: readonly string[];
}

/** Runs with a folder that is removed afterwards. */
export async function withRig(run: (rig: Rig) => Promise<void>, modelsDir?: string): Promise<void> {
  const top = modelsDir ?? await Deno.makeTempDir({ prefix: "trtd-pull-" });
  const rig: Rig = {
    modelsDir: top,
    pull: (word, options) => pullInto(top, word, options),
    async refused(word, options) {
      try {
        await pullInto(top, word, options);
      } catch (thrown) {
        assert.ok(thrown instanceof TrtdError, thrown instanceof Error ? thrown.stack : String(thrown));
        assert.match(thrown.message, /^[A-Z"][^\n]+[^.]$/);
        return thrown;
      }
      assert.fail("Nothing was thrown");
    },
    files: () => filesBelow(top),
  };
  try {
    await run(rig);
  } finally {
    if (modelsDir === undefined) await Deno.remove(top, { recursive: true });
  }
}

async function pullInto(modelsDir: string, word: string, options: PullOptions = {}): Promise<Pulled> {
  const { name, sha256, labels, refresh, aliases = {}, trustedHosts = [] } = options;
  const context = { aliases, trustedHosts, cwd: modelsDir, environment: {} };
  const request: PullRequest = {
    source: parseSource(word, context),
    ...(name === undefined ? {} : { name }),
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(labels === undefined ? {} : { labels: parseSource(labels, context) }),
    ...(refresh === undefined ? {} : { refresh }),
  };
  const settings: PullSettings = {
    modelsDir,
    memoDir: null,
    offline: false,
    connectTimeoutMs: 30_000,
    stallMs: 60_000,
    timeoutMs: 120_000,
    trustedHosts,
    caFile: null,
    environment: {},
    attempts: 3,
    backoffMs: 10,
    ...options.settings,
  };
  const watch: PullWatch = { signal: new AbortController().signal, onRemark: () => {}, ...options.watch };
  return await pullModel(request, settings, watch);
}

async function filesBelow(top: string): Promise<string[]> {
  const found: string[] = [];
  const visit = async (folder: string) => {
    for await (const entry of Deno.readDir(join(top, folder))) {
      const path = join(folder, entry.name);
      if (entry.isDirectory) await visit(path);
      else if (!path.endsWith(".lock")) found.push(path);
    }
  };
  await visit(".");
  return found.sort();
}

/** What a case of a table expects. */
export type Expected = ErrorCode | "downloaded";
