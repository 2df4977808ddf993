import assert from "node:assert/strict";
import { join } from "node:path";
import { MODEL_BYTES_MAX } from "../../src/onnx/read.ts";
import { findModelByName } from "../../src/models/registry.ts";
import { hostileServer, serveFile } from "./sources/hostile_server.ts";
import { type PullOptions, type Rig, sha256Of, someModel, withRig } from "./sources/pull_rig.ts";

/** undici keeps one clock for all of its connections, which outlives a test. */
const LOOSE = { sanitizeOps: false, sanitizeResources: false };
const MODEL = someModel(20_000, 1);
const OTHER = someModel(20_000, 2);

/** A rig with a server that has `a.onnx`, `b.onnx` and `coco.txt`. */
async function withServer(
  run: (rig: Rig, server: { url(name: string): string; requests: string[]; options: PullOptions }) => Promise<void>,
): Promise<void> {
  await using server = hostileServer((exchange) =>
    exchange.path === "/coco.txt"
      ? serveFile(exchange, new TextEncoder().encode("person\nbicycle\n"))
      : exchange.path === "/broken.txt"
      ? serveFile(exchange, Uint8Array.of(0xff, 0xfe))
      : exchange.path.startsWith("/b")
      ? serveFile(exchange, OTHER)
      : exchange.path.startsWith("/a")
      ? serveFile(exchange, MODEL)
      : exchange.send("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
  );
  await withRig((rig) =>
    run(rig, {
      url: (name) => `${server.origin}/${name}`,
      requests: server.requests,
      options: { trustedHosts: [server.host] },
    })
  );
}

const readManifest = async (rig: Rig, name: string): Promise<Record<string, unknown>> =>
  JSON.parse(await Deno.readTextFile(join(rig.modelsDir, name, "manifest.json")));

async function put(rig: Rig, path: string, content: Uint8Array | string): Promise<void> {
  await Deno.mkdir(join(rig.modelsDir, path, ".."), { recursive: true });
  await Deno.writeFile(
    join(rig.modelsDir, path),
    typeof content === "string" ? new TextEncoder().encode(content) : content,
  );
}

Deno.test(
  { name: "pull: what lands is found by its name, and its manifest says where it came from", ...LOOSE },
  async () => {
    await withServer(async (rig, { url, options }) => {
      await rig.pull(url("a.onnx?token=secret"), { ...options, name: "pets" });
      const model = await findModelByName("pets", rig.modelsDir);
      assert.equal(model.path, join(rig.modelsDir, "pets", "a.onnx"));
      const { source, ...rest } = await readManifest(rig, "pets") as { source: Record<string, unknown> };
      assert.deepEqual(rest, { name: "pets", file: "a.onnx" });
      const { fetched_at, id, ...facts } = source;
      assert.deepEqual(facts, { uri: `${url("a.onnx")}?...`, sha256: sha256Of(MODEL), bytes: MODEL.length });
      assert.match(String(fetched_at), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
      assert.match(String(id), /^[0-9a-f]{64}$/);
      assert.doesNotMatch(await Deno.readTextFile(join(rig.modelsDir, "pets", "manifest.json")), /secret/);
      assert.equal((await Deno.stat(model.path)).mode! & 0o777, 0o644);
    });
  },
);

Deno.test({ name: "pull: what is there with the right digest is found without a request", ...LOOSE }, async () => {
  await withServer(async (rig, { url, requests, options }) => {
    await rig.pull(url("a.onnx"), options);
    assert.equal((await rig.pull(url("a.onnx"), options)).status, "found");
    assert.equal((await rig.pull(`${url("a.onnx")}#sha256=${sha256Of(MODEL)}`, options)).status, "found");
    assert.equal((await rig.pull(url("a.onnx"), { ...options, settings: { offline: true } })).status, "found");
    assert.equal(requests.length, 1);
    assert.equal((await rig.pull(url("a.onnx"), { ...options, refresh: true })).status, "downloaded");
    assert.equal(requests.length, 2);
    await Deno.writeFile(join(rig.modelsDir, "a", "a.onnx"), OTHER);
    const mended = await rig.pull(url("a.onnx"), options);
    assert.deepEqual(
      [mended.status, mended.sha256],
      ["downloaded", sha256Of(MODEL)],
      "a file that was changed is mended",
    );
  });
});

Deno.test(
  { name: "pull: a file that was put there by hand is taken over when its digest is the pinned one", ...LOOSE },
  async () => {
    await withServer(async (rig, { url, requests, options }) => {
      await put(rig, "a/a.onnx", MODEL);
      assert.equal((await rig.refused(url("a.onnx"), options)).code, "MODEL_NAME_TAKEN");
      assert.equal(
        (await rig.refused(url("a.onnx"), { ...options, sha256: sha256Of(OTHER) })).code,
        "MODEL_NAME_TAKEN",
      );
      assert.equal((await rig.pull(url("a.onnx"), { ...options, sha256: sha256Of(MODEL) })).status, "found");
      assert.equal((await findModelByName("a", rig.modelsDir)).name, "a");
      assert.deepEqual(requests, []);
    });
  },
);

Deno.test({ name: "pull: a manifest that is there keeps what it says", ...LOOSE }, async () => {
  await withServer(async (rig, { url, options }) => {
    const own = { name: "pets", file: "model.onnx", labels: ["cat", "dog"], score: 0.4, description: "ours" };
    await put(rig, "pets/manifest.json", JSON.stringify(own));
    const pulled = await rig.pull(url("a.onnx"), { ...options, name: "pets", labels: url("coco.txt") });
    assert.match(pulled.remarks.join("\n"), /manifest's own labels are kept/);
    const { source, ...rest } = await readManifest(rig, "pets");
    assert.deepEqual(rest, own);
    assert.equal((source as { sha256: string }).sha256, sha256Of(MODEL));
    assert.deepEqual(await rig.files(), ["pets/manifest.json", "pets/model.onnx"]);

    await put(rig, "broken/manifest.json", "{");
    assert.equal((await rig.refused(url("a.onnx"), { ...options, name: "broken" })).code, "MANIFEST_INVALID");
    await put(rig, "alien/manifest.json", JSON.stringify({ ...own, name: "other" }));
    assert.equal((await rig.refused(url("a.onnx"), { ...options, name: "alien" })).code, "MANIFEST_INVALID");
  });
});

Deno.test({ name: "pull: a name that another source has is not taken from it", ...LOOSE }, async () => {
  await withServer(async (rig, { url, options }) => {
    await rig.pull(url("a.onnx"), { ...options, name: "pets" });
    const error = await rig.refused(url("b.onnx"), { ...options, name: "pets" });
    assert.equal(error.code, "MODEL_NAME_TAKEN");
    assert.match(error.message, /came from "http:.*a\.onnx"/);
    assert.deepEqual(await Deno.readFile(join(rig.modelsDir, "pets", "a.onnx")), MODEL);
    assert.equal((await rig.pull(url("b.onnx"), { ...options, name: "more-pets" })).sha256, sha256Of(OTHER));
  });
});

Deno.test({ name: "pull: a new pin of the same source brings the new file", ...LOOSE }, async () => {
  let served = MODEL;
  await using server = hostileServer((exchange) => serveFile(exchange, served, { etag: `"${sha256Of(served)}"` }));
  await withRig(async (rig) => {
    const [word, options] = [`${server.origin}/a.onnx`, { trustedHosts: [server.host] }];
    await rig.pull(word, options);
    served = OTHER;
    assert.equal((await rig.pull(`${word}#sha256=${sha256Of(OTHER)}`, options)).status, "downloaded");
    assert.deepEqual(await Deno.readFile(join(rig.modelsDir, "a", "a.onnx")), OTHER);
  });
});

Deno.test({ name: "pull: class names are fetched once, and missing ones are a remark", ...LOOSE }, async () => {
  await withServer(async (rig, { url, requests, options }) => {
    const labels = url("coco.txt");
    const without = await rig.pull(url("a.onnx"), { ...options, labels: url("none.txt") });
    assert.match(without.remarks.join("\n"), /There are no class names in .*none\.txt/);
    assert.equal((await readManifest(rig, "a"))["labels"], undefined);
    const named = await rig.pull(url("a.onnx"), { ...options, labels });
    assert.equal(named.status, "found");
    assert.deepEqual((await readManifest(rig, "a"))["labels"], ["person", "bicycle"]);
    assert.deepEqual(requests, ["/none.txt", "/a.onnx", "/coco.txt"]);
    assert.equal((await rig.pull(url("a.onnx"), { ...options, labels, settings: { offline: true } })).status, "found");
    const offline = await rig.pull(url("a.onnx"), { ...options, labels: url("x.txt"), settings: { offline: true } });
    assert.match(offline.remarks.join("\n"), /were not fetched: models_offline/);
    assert.equal((await rig.refused(url("b.onnx"), { ...options, labels: url("broken.txt") })).code, "LABELS_INVALID");
    assert.deepEqual(await rig.files(), ["a/a.onnx", "a/manifest.json"]);
  });
});

Deno.test("pull: files of this machine are copied, and again when they changed", async () => {
  await withRig(async (rig) => {
    const folder = await Deno.makeTempDir({ prefix: "trtd-usb-" });
    try {
      const path = join(folder, "Some Model.onnx");
      await Deno.writeFile(path, MODEL);
      assert.equal((await rig.pull(path)).model.name, "some-model");
      assert.equal((await rig.pull(`file://${encodeURI(path)}`)).status, "found");
      await Deno.writeFile(path, OTHER);
      assert.equal((await rig.pull(path)).sha256, sha256Of(OTHER));
      await Deno.remove(path);
      assert.equal((await rig.pull(path)).status, "found");
      assert.equal((await rig.refused(join(folder, "none.onnx"))).code, "FILE_NOT_FOUND");
      assert.equal((await rig.refused(folder, { name: "folder" })).code, "FILE_UNREADABLE");
      await Deno.writeTextFile(join(folder, "engine.engine"), "x");
      assert.equal((await rig.refused(join(folder, "engine.engine"), { name: "x" })).code, "SOURCE_INVALID");
      await Deno.truncate(join(folder, "engine.engine"), MODEL_BYTES_MAX + 1);
      await Deno.rename(join(folder, "engine.engine"), join(folder, "large.onnx"));
      const pin = { sha256: sha256Of(MODEL) };
      assert.equal((await rig.refused(join(folder, "large.onnx"), pin)).code, "MODEL_TOO_LARGE");
      assert.deepEqual(await rig.files(), ["some-model/Some Model.onnx", "some-model/manifest.json"]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
});

Deno.test("pull: names that are no names are refused before anything is asked", async () => {
  await withRig(async (rig) => {
    for (const name of ["", "..", "../x", "a/b", "Pets", "-x", ".x", "x".repeat(65), "trt", "рets", "a\0"]) {
      const error = await rig.refused("https://nowhere.invalid/a.onnx", { name });
      assert.equal(error.code, "MODEL_NAME_INVALID", JSON.stringify(name));
    }
    assert.deepEqual(await rig.files(), []);
  });
});

Deno.test({ name: "pull: links that lead out of the folder of models are refused", ...LOOSE }, async () => {
  await withServer(async (rig, { url, requests, options }) => {
    const outside = await Deno.makeTempDir({ prefix: "trtd-outside-" });
    try {
      await Deno.writeFile(join(outside, "a.onnx"), MODEL);
      await Deno.symlink(outside, join(rig.modelsDir, "folder"));
      await put(rig, "file/manifest.json", JSON.stringify({ name: "file", file: "a.onnx" }));
      await Deno.symlink(join(outside, "a.onnx"), join(rig.modelsDir, "file", "a.onnx"));
      await put(rig, "hard/manifest.json", JSON.stringify({ name: "hard", file: "a.onnx" }));
      await Deno.link(join(outside, "a.onnx"), join(rig.modelsDir, "hard", "a.onnx"));
      for (const name of ["folder", "file", "hard"]) {
        const error = await rig.refused(url("a.onnx"), { ...options, name });
        assert.equal(error.code, "MODEL_NAME_TAKEN", name);
        assert.match(error.message, name === "hard" ? /hard link/ : /link out of the folder/, name);
      }
      assert.deepEqual(requests, []);
      assert.deepEqual(await Deno.readFile(join(outside, "a.onnx")), MODEL);
      await assert.rejects(findModelByName("hard", rig.modelsDir), /hard link/);
      await put(rig, "both/manifest.json", JSON.stringify({ name: "both", file: "a.onnx" }));
      await put(rig, "both/a.onnx", MODEL);
      await Deno.link(join(rig.modelsDir, "both", "a.onnx"), join(rig.modelsDir, "both", "b.onnx"));
      assert.equal((await findModelByName("both", rig.modelsDir)).name, "both", "both names are within");
    } finally {
      await Deno.remove(outside, { recursive: true });
    }
  });
});

Deno.test({ name: "pull: a folder of models that cannot be written is told", ...LOOSE }, async () => {
  await withServer(async (rig, { url, options }) => {
    await put(rig, "file", "x");
    const error = await rig.refused(url("a.onnx"), {
      ...options,
      settings: { modelsDir: join(rig.modelsDir, "file") },
    });
    assert.equal(error.code, "OUTPUT_UNWRITABLE");
  });
});
