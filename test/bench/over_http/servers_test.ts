import assert from "node:assert/strict";
import { getBytes, HttpConnection } from "../../../src/bench/over_http/http_client.ts";
import { measureLatency } from "../../../src/bench/over_http/load.ts";
import { freePort, startServer, trtdServer, waitReady } from "../../../src/bench/over_http/servers.ts";
import { loadSharp } from "../../../src/native/sharp.ts";
import { writeTinyModel } from "../../server/tiny_model.ts";

const KEY = "trtd-bench-key-of-the-test";

Deno.test("servers: one that asks for a key gets it by its environment, and every request has it", async () => {
  const folder = await Deno.makeTempDir({ prefix: "trtd-bench-" });
  try {
    const port = freePort();
    const flags = ["--model", writeTinyModel(folder), "--backend", "onnxruntime", "--threads", "1"];
    await using server = await startServer({ ...trtdServer(port, flags), apiKey: KEY }, port);
    await waitReady(server, "/health/ready");
    const { address } = server;
    const sharp = await loadSharp();
    const jpeg = await sharp({ create: { width: 64, height: 64, channels: 3, background: "gray" } }).jpeg().toBuffer();
    const target = { name: "trtd", address, path: "/v1/detect" };
    const { answer } = await measureLatency(target, jpeg, 2);
    assert.ok(answer.detections.length > 0);
    const { apiKey: _, ...withoutKey } = address;
    using stranger = await HttpConnection.open(withoutKey);
    assert.equal((await stranger.send(getBytes("/v1/models", withoutKey))).status, 401);
    assert.ok(!Deno.readTextFileSync(`/proc/${server.pid}/cmdline`).includes(KEY));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
