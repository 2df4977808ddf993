/** Processes that die, several at once, and disks that fail. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { operationsPassed, setFault } from "../../../src/cache/disk/fault.ts";
import { TrtdError } from "../../../src/errors.ts";
import { hostileServer, serveFile } from "./hostile_server.ts";
import { type PullOptions, sha256Of, someModel, withRig } from "./pull_rig.ts";
import { pause, until } from "../../until.ts";

/** undici keeps one clock for all of its connections, which outlives a test. */
const LOOSE = { sanitizeOps: false, sanitizeResources: false };
const MODEL = someModel(2_000_000);
const SMALL = someModel(100_000);
const CHILD = new URL("pulling_child.ts", import.meta.url).pathname;

interface Ended {
  readonly status?: string;
  readonly sha256?: string;
  readonly resumedFrom?: number;
  readonly error?: string;
}

function child(args: readonly string[], env: Record<string, string> = {}): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", CHILD, ...args],
    env: { NO_COLOR: "1", ...env },
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

async function ended(process: Deno.ChildProcess): Promise<Ended> {
  const { stdout } = await process.output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

Deno.test(
  { name: "pull: a process that was killed midway leaves what the next one goes on with", ...LOOSE },
  async () => {
    const midway = Promise.withResolvers<void>();
    await using server = hostileServer(async (exchange) => {
      if (exchange.number > 1) return await serveFile(exchange, MODEL);
      await serveFile(exchange, MODEL, { until: MODEL.length / 2 });
      midway.resolve();
      await exchange.gone;
    });
    await withRig(async (rig) => {
      const args = [rig.modelsDir, server.host, `${server.origin}/a.onnx`];
      const first = child(args);
      await midway.promise;
      const part = async () => (await rig.files()).find((path) => path.endsWith(".part"));
      await until("midway", async () => {
        const path = await part();
        return path !== undefined && (await Deno.stat(join(rig.modelsDir, path))).size > MODEL.length / 3;
      });
      first.kill("SIGKILL");
      await first.output();
      assert.ok((await rig.files()).every((path) => path.startsWith(".downloads/")), "nothing has landed");
      const second = await ended(child(args));
      assert.equal(second.status, "downloaded");
      assert.equal(second.sha256, sha256Of(MODEL));
      assert.ok(second.resumedFrom! > MODEL.length / 3, String(second.resumedFrom));
      assert.equal(server.requests[1], `/a.onnx bytes=${second.resumedFrom}-`);
      assert.deepEqual(await rig.files(), ["a/a.onnx", "a/manifest.json"]);
    });
  },
);

Deno.test({ name: "pull: four processes at once make one download", ...LOOSE }, async () => {
  await using server = hostileServer(async (exchange) => {
    await pause(1500);
    await serveFile(exchange, MODEL);
  });
  await withRig(async (rig) => {
    const args = [rig.modelsDir, server.host, `${server.origin}/a.onnx`];
    const all = await Promise.all(Array.from({ length: 4 }, () => ended(child(args))));
    assert.deepEqual(all.map(({ sha256 }) => sha256), Array.from({ length: 4 }, () => sha256Of(MODEL)));
    assert.deepEqual(all.map(({ status }) => status).sort(), ["downloaded", "found", "found", "found"]);
    assert.deepEqual(server.requests, ["/a.onnx"]);
  });
});

Deno.test({
  name: "pull: whichever operation on the disk fails, nothing broken lands and the next pull mends it",
  ...LOOSE,
}, async () => {
  await using server = hostileServer((exchange) => serveFile(exchange, SMALL));
  const word = `${server.origin}/a.onnx`;
  const options: PullOptions = { trustedHosts: [server.host], settings: { attempts: 1 } };
  for (const kind of ["fail", "full"] as const) {
    let failures = 0;
    let whole = false;
    for (let at = 1; !whole && at < 200; at++) {
      await withRig(async (rig) => {
        setFault({ kind, at });
        try {
          await rig.pull(word, options);
          whole = operationsPassed() < at;
        } catch (thrown) {
          failures++;
          assert.ok(thrown instanceof TrtdError, `${kind} ${at}: ${thrown}`);
          assert.match(
            thrown.code,
            kind === "full" ? /^(DISK_FULL|OUTPUT_UNWRITABLE)$/ : /^OUTPUT_UNWRITABLE$/,
            `${at}`,
          );
        } finally {
          setFault(null);
        }
        const landed = await Deno.readFile(join(rig.modelsDir, "a", "a.onnx")).catch(() => null);
        if (landed !== null) assert.equal(sha256Of(landed), sha256Of(SMALL), `${kind} ${at}`);
        assert.equal((await rig.pull(word, options)).sha256, sha256Of(SMALL));
        assert.deepEqual(await rig.files(), ["a/a.onnx", "a/manifest.json"], `${kind} ${at}`);
      });
    }
    assert.ok(whole, "the fault was never passed");
    assert.ok(failures > 10, `${failures} operations failed`);
  }
});

Deno.test(
  { name: "pull: whichever operation a process is killed at, the next one brings the model", ...LOOSE },
  async () => {
    await using server = hostileServer((exchange) => serveFile(exchange, SMALL));
    const ats = [2, 5, 8, 11, 14, 17, 20, 23, 26];
    let killed = 0;
    for (const at of ats) {
      await withRig(async (rig) => {
        const args = [rig.modelsDir, server.host, `${server.origin}/a.onnx`];
        const first = child(args, { TRTD_TEST_CACHE_FAULT: `kill:${at}` });
        const { signal } = await first.output();
        if (signal === "SIGKILL") killed++;
        const options: PullOptions = { trustedHosts: [server.host] };
        assert.equal((await rig.pull(`${server.origin}/a.onnx`, options)).sha256, sha256Of(SMALL), `killed at ${at}`);
        // The note of a part that has landed may stay; it goes with the next download of that name.
        const files = (await rig.files()).filter((path) => !path.endsWith(".part.json"));
        assert.deepEqual(files, ["a/a.onnx", "a/manifest.json"], `killed at ${at}`);
      });
    }
    assert.ok(killed >= 5, `${killed} of ${ats.length} were killed`);
  },
);

Deno.test(
  { name: "pull: a disk that is really full is told as that, and is not left full", ...LOOSE },
  async (test) => {
    const folder = await Deno.makeTempDir({ prefix: "trtd-tiny-" });
    const mounted = await new Deno.Command("mount", {
      args: ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder],
      stdout: "null",
      stderr: "null",
    }).output().then(({ success }) => success, () => false);
    try {
      await test.step({
        name: mounted ? "a tmpfs of 1 MB" : "skipped: this user may not mount a tmpfs",
        ignore: !mounted,
        fn: async () => {
          await using server = hostileServer(async (exchange) => {
            // Without a length the disk is found to be full only when it is.
            await exchange.send("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
            await exchange.send(MODEL);
          });
          await withRig(async (rig) => {
            const error = await rig.refused(`${server.origin}/a.onnx`, { trustedHosts: [server.host] });
            assert.equal(error.code, "DISK_FULL", error.message);
            assert.deepEqual(await rig.files(), []);
          }, folder);
        },
      });
    } finally {
      if (mounted) await new Deno.Command("umount", { args: [folder] }).output();
      await Deno.remove(folder, { recursive: true });
    }
  },
);

Deno.test({ name: "pull: an interrupted one tells so and keeps what has arrived", ...LOOSE }, async () => {
  await using server = hostileServer(async (exchange) => {
    if (exchange.number > 1) return await serveFile(exchange, MODEL);
    await serveFile(exchange, MODEL, { until: MODEL.length / 2 });
    await exchange.gone;
  });
  await withRig(async (rig) => {
    const interrupt = new AbortController();
    const reason = new TrtdError("INTERRUPTED", "The pull was interrupted");
    const watch = {
      signal: interrupt.signal,
      onProgress: ({ bytes }: { bytes: number }) => void (bytes > MODEL.length / 3 && interrupt.abort(reason)),
    };
    const options: PullOptions = { trustedHosts: [server.host] };
    assert.equal((await rig.refused(`${server.origin}/a.onnx`, { ...options, watch })).code, "INTERRUPTED");
    const pulled = await rig.pull(`${server.origin}/a.onnx`, options);
    assert.ok(pulled.resumedFrom > MODEL.length / 3);
    assert.equal(pulled.sha256, sha256Of(MODEL));
  });
});
