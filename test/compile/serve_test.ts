import assert from "node:assert/strict";
import { join } from "node:path";
import { boxTest } from "./box.ts";
import { ROOT } from "./compiled_file.ts";
import { childrenOf, startServer } from "./server.ts";

async function bundledPhoto(): Promise<Uint8Array<ArrayBuffer>> {
  const { bundledPhoto } = await import("../../src/models/registry.ts");
  return await Deno.readFile(bundledPhoto());
}

boxTest("serve answers with what detect finds, and stops without a trace", async (box) => {
  const { code, stdout } = await box.run(["detect", "--json"]);
  assert.equal(code, 0);
  const [expected] = JSON.parse(stdout);

  const server = await startServer(box);
  try {
    const live = await fetch(`${server.url}/health/live`);
    assert.equal(live.status, 200);
    await live.body?.cancel();
    const response = await fetch(`${server.url}/v1/detect`, {
      method: "POST",
      headers: { "Content-Type": "image/jpeg" },
      body: await bundledPhoto(),
    });
    assert.equal(response.status, 200);
    const answer = await response.json();
    assert.deepEqual(answer.detections, expected.detections);
    for (
      const path of [
        "/v1/models",
        "/metrics",
        "/openapi.json",
        "/docs",
        "/docs/swagger-ui-bundle.js",
        "/docs/swagger-ui.css",
      ]
    ) {
      const response = await fetch(`${server.url}${path}`);
      assert.equal(response.status, 200, path);
      assert.ok((await response.arrayBuffer()).byteLength > 100, path);
    }
  } finally {
    assert.equal(await server.stop(), 0);
  }
  assert.deepEqual([...Deno.readDirSync(box.temp)], []);
});

boxTest("a killed worker is replaced by one from the same file", async (box) => {
  const server = await startServer(box);
  try {
    const [worker] = childrenOf(server.pid);
    assert.notEqual(worker, undefined);
    assert.equal(Deno.readLinkSync(`/proc/${worker}/exe`), box.file);
    Deno.kill(worker!, "SIGKILL");
    const successor = await untilReplaced(server.pid, worker!);
    assert.equal(Deno.readLinkSync(`/proc/${successor}/exe`), box.file);
    await server.ready();
    const photo = await bundledPhoto();
    const headers = { "Content-Type": "image/jpeg" };
    const response = await fetch(`${server.url}/v1/detect`, { method: "POST", headers, body: photo });
    assert.equal(response.status, 200, await response.clone().text());
    await response.body?.cancel();
  } finally {
    assert.equal(await server.stop(), 0);
  }
});

boxTest("the process that answers HTTP has no native add-on open", async (box) => {
  const server = await startServer(box);
  try {
    const maps = Deno.readTextFileSync(`/proc/${server.pid}/maps`);
    assert.doesNotMatch(maps, /\.node|libvips|libonnxruntime/);
    const [worker] = childrenOf(server.pid);
    assert.match(Deno.readTextFileSync(`/proc/${worker}/maps`), /libonnxruntime/);
  } finally {
    await server.stop();
  }
});

boxTest("serve says why it cannot start when the cache folder is unusable", async (box) => {
  const server = box.spawn(["serve", "--port", "0", "--json"], { env: { TRTD_CACHE_DIR: "/proc/nowhere" } });
  const stopped = setTimeout(() => server.kill("SIGTERM"), 5000);
  const { code, stderr } = await server.output();
  clearTimeout(stopped);
  assert.equal(code, 3);
  assert.match(new TextDecoder().decode(stderr), /CACHE_FOLDER_UNUSABLE/);
});

/** The id of the child that takes the place of `worker`. */
async function untilReplaced(pid: number, worker: number): Promise<number> {
  for (const until = performance.now() + 20_000; performance.now() < until;) {
    const [child] = childrenOf(pid);
    if (child !== undefined && child !== worker) return child;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return assert.fail("No worker took the place of the killed one");
}

boxTest("nothing of the repository is open in the running server", async (box) => {
  const server = await startServer(box);
  try {
    for (const pid of [server.pid, ...childrenOf(server.pid)]) {
      const maps = Deno.readTextFileSync(`/proc/${pid}/maps`);
      assert.equal(maps.includes(`${ROOT}/`), false);
      assert.equal(Deno.readLinkSync(`/proc/${pid}/cwd`), Deno.realPathSync(join(box.folder)));
    }
  } finally {
    await server.stop();
  }
});
