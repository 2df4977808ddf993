import assert from "node:assert/strict";
import { grayPicture } from "../serving/gray_picture.ts";
import { killQuietly } from "../server/process.ts";
import { ServeProcess } from "../server/serve_process.ts";
import { writeTinyModel } from "../server/tiny_model.ts";

const folder = Deno.makeTempDirSync({ prefix: "trtd-test-" });
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
const FLAGS = ["--model", writeTinyModel(folder), "--backend", "onnxruntime", "--threads", "1"];

interface Line {
  readonly level: string;
  readonly message: string;
  readonly logger: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

const detect = async ({ url }: ServeProcess, id: string, body = grayPicture()): Promise<number> => {
  const headers = { "content-type": "image/png", "x-request-id": id };
  const response = await fetch(`${url}/v1/detect`, { method: "POST", body, headers });
  await response.body?.cancel();
  assert.equal(response.headers.get("x-request-id"), id);
  return response.status;
};

/** Lines of a request, once there are so many. */
async function linesOf(server: ServeProcess, id: string, count: number): Promise<Line[]> {
  let found: Line[] = [];
  await server.until(`heard of ${id} ${count} times`, () => {
    // Notes of the start stand beside the log.
    const whole = server.stderr.split("\n").slice(0, -1).filter((line) => !line.startsWith("trtd: "));
    found = whole.map((line): Line => JSON.parse(line)).filter(({ properties }) => properties["request_id"] === id);
    return found.length >= count;
  });
  return found;
}

Deno.test("logs: a request has its id in every line about it, of the manager and of the worker", async () => {
  await using server = await ServeProcess.start([...FLAGS, "--log-level", "debug", "--log-format", "json"]);
  await server.ready();
  assert.equal(await detect(server, "good-1"), 200);
  assert.equal(await detect(server, "bad-1", grayPicture().slice(0, 40)), 422);

  // Two processes write: the order of their lines is not that of what they tell.
  const good = await linesOf(server, "good-1", 3);
  const [given, answered, access] = [/to worker \d+ after \d+ ms/, /found 1 in/, /\/v1\/detect/].map((text) =>
    good.find(({ message }) => text.test(message))
  );
  assert.deepEqual([given, answered, access].map((line) => [line!.level, line!.logger]), [
    ["DEBUG", "trtd.serving"],
    ["DEBUG", "trtd.serving"],
    ["INFO", "trtd.http"],
  ]);
  assert.equal(given!.properties["pid"], await server.worker());
  assert.match(answered!.message, /found 1 in \d+ ms on "onnxruntime", batch of 1/);
  assert.ok((answered!.properties["timings_ms"] as { inference: number }).inference > 0);
  const { method, path, status, ms, route } = access!.properties;
  assert.deepEqual([method, path, status, route], ["POST", "/v1/detect", 200, "/v1/detect"]);
  assert.ok((ms as number) >= 0);

  const bad = await linesOf(server, "bad-1", 3);
  const refused = bad.find(({ logger, message }) => logger === "trtd.serving" && /IMAGE_/.test(message));
  assert.equal(refused!.level, "DEBUG");
  assert.equal(bad.find(({ logger }) => logger === "trtd.http")!.properties["code"], refused!.properties["code"]);
});

Deno.test("logs: a request that is tried again says why, between its two workers", async () => {
  await using server = await ServeProcess.start([...FLAGS, "--log-level", "debug", "--log-format", "json"]);
  await server.ready();
  const worker = await server.worker();
  Deno.kill(worker, "SIGSTOP");
  const answer = detect(server, "again-1");
  await linesOf(server, "again-1", 1);
  killQuietly(worker);
  assert.equal(await answer, 200);
  const isAnswer = ({ message }: Line) => /found 1 in/.test(message);
  const lines = await linesOf(server, "again-1", 5);
  assert.equal(lines.filter(isAnswer).length, 1);
  const ofManager = lines.filter((line) => !isAnswer(line));
  assert.deepEqual(ofManager.map(({ level }) => level), ["DEBUG", "INFO", "DEBUG", "INFO"]);
  assert.match(ofManager[1]!.message, /tried again.*SIGKILL/);
  assert.deepEqual(ofManager.flatMap(({ properties: { pid } }) => pid ?? []), [worker, await server.worker()]);
});

Deno.test("logs: at info there is one line a request, none for health and metrics, and a text that people read", async () => {
  await using server = await ServeProcess.start([...FLAGS, "--log-level", "info"]);
  await server.ready();
  assert.equal(await detect(server, "text-1"), 200);
  for (const path of ["/metrics", "/health/live"]) await (await fetch(`${server.url}${path}`)).body?.cancel();
  await (await fetch(`${server.url}/nothing`, { headers: { "x-request-id": "text-2" } })).body?.cancel();
  await server.says(/"text-2"\n/);
  const lines = server.stderr.split("\n").filter((line) => / \[INF\] trtd·http: /.test(line));
  assert.equal(lines.length, 2, server.stderr);
  assert.match(lines[0]!, /"POST" "\/v1\/detect" 200 \d+ ms "text-1"$/);
  assert.match(lines[1]!, /"GET" "\/nothing" 404 "ROUTE_NOT_FOUND" \d+ ms "text-2"$/);
});
