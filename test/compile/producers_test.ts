import assert from "node:assert/strict";
import { join } from "node:path";
import { fromFile } from "../server/program.ts";
import { ServeProcess } from "../server/serve_process.ts";
import { writeTinyModel } from "../server/tiny_model.ts";
import { TestProducer } from "../serving/producer/fixture.ts";
import { CANNOT_COMPILE, compiledFile } from "./compiled_file.ts";

Deno.test({
  name: `compiled: a local producer gets detections, and the ring that it deletes is missed${CANNOT_COMPILE}`,
  ignore: CANNOT_COMPILE !== "",
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "trtd-test-" });
    try {
      const path = join(folder, "producers", "socket");
      const flags = ["--model", writeTinyModel(folder), "--backend", "onnxruntime", "--producer-socket", path];
      await using serve = await ServeProcess.start(flags, { program: fromFile(await compiledFile(Deno.build.arch)) });
      await serve.ready();
      for (let i = 0; i < 3; i++) {
        const producer = await TestProducer.connect(path);
        await producer.say({ type: "hello", protocol: 1, slot_bytes: 2_211_840 });
        const { path: ring } = await producer.next();
        await producer.say({ type: "detect", id: 1, slot: 2, kind: "rgb", width: 1152, height: 640 });
        const { type, detections } = await producer.next();
        assert.deepEqual([type, (detections as { label: string }[])[0]!.label], ["result", "qr_code"]);
        if (i === 0) Deno.removeSync(ring as string);
        producer.close();
        await producer.ended;
      }
      await serve.says(/has deleted its ring/);
      serve.kill("SIGTERM");
      assert.equal((await serve.status).code, 0, serve.stderr);
      assert.throws(() => Deno.lstatSync(path), Deno.errors.NotFound);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
