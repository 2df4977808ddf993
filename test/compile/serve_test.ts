import assert from "node:assert/strict";
import { bundledPhoto } from "../../src/models/registry.ts";
import { ServeFailed, ServeProcess } from "../server/serve_process.ts";
import { type Box, boxTest } from "./box.ts";
import { ROOT } from "./compiled_file.ts";

const PHOTO = Deno.readFileSync(bundledPhoto());

async function served(box: Box): Promise<ServeProcess> {
  const server = await ServeProcess.start([], { program: box.program });
  await server.ready();
  return server;
}

const detect = ({ url }: ServeProcess): Promise<Response> =>
  fetch(`${url}/v1/detect`, { method: "POST", headers: { "content-type": "image/jpeg" }, body: PHOTO });

boxTest("serve answers with what detect finds, and stops without a trace", async (box) => {
  const { code, stdout, stderr } = await box.run(["detect", "--json"]);
  assert.equal(code, 0, stderr);
  const [expected] = JSON.parse(stdout);

  await using server = await served(box);
  assert.equal((await server.get("/health/live")).status, 200);
  const response = await detect(server);
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
  assert.equal(await server.stop(), 0, server.stderr);
  assert.deepEqual([...Deno.readDirSync(box.temp)], []);
});

boxTest("a killed worker is replaced by one from the same file", async (box) => {
  await using server = await served(box);
  const worker = await server.worker();
  assert.equal(Deno.readLinkSync(`/proc/${worker}/exe`), box.file);
  Deno.kill(worker, "SIGKILL");
  const successor = await server.worker(worker);
  await server.ready();
  assert.equal(Deno.readLinkSync(`/proc/${successor}/exe`), box.file);
  const response = await detect(server);
  assert.equal(response.status, 200, await response.text());
  assert.equal(await server.stop(), 0, server.stderr);
});

boxTest("the process that answers HTTP has no native add-on open", async (box) => {
  await using server = await served(box);
  const maps = Deno.readTextFileSync(`/proc/${server.pid}/maps`);
  assert.doesNotMatch(maps, /\.node|libvips|libonnxruntime/);
  assert.match(Deno.readTextFileSync(`/proc/${await server.worker()}/maps`), /libonnxruntime/);
});

boxTest("serve says why it cannot start when the cache folder is unusable", async (box) => {
  const { status, stderr } = await refusal(box);
  assert.equal(status, 3, stderr);
  assert.match(stderr, /CACHE_FOLDER_UNUSABLE/);
});

/** How it ends in a folder that cannot be made: before it listens, or when its worker has found out. */
async function refusal(box: Box): Promise<{ status: number; stderr: string }> {
  try {
    await using server = await ServeProcess.start([], {
      program: box.program,
      env: { TRTD_CACHE_DIR: "/proc/nowhere" },
    });
    const { code } = await server.status;
    return { status: code, stderr: await server.allStderr() };
  } catch (error) {
    if (error instanceof ServeFailed) return error;
    throw error;
  }
}

boxTest("nothing of the repository is open in the running server", async (box) => {
  await using server = await served(box);
  for (const pid of [server.pid, ...server.workers]) {
    const maps = Deno.readTextFileSync(`/proc/${pid}/maps`);
    assert.equal(maps.includes(`${ROOT}/`), false);
    assert.equal(Deno.readLinkSync(`/proc/${pid}/cwd`), Deno.realPathSync(box.folder));
  }
});
