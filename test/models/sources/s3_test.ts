/** Models out of real S3-compatible servers; why these two: s3_servers.ts. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Aliases } from "../../../src/models/sources/alias.ts";
import { type PullOptions, sha256Of, someModel, withRig } from "./pull_rig.ts";
import { BUCKET, KEYS, RCLONE, s3Program, SEAWEEDFS } from "./s3_servers.ts";

const MODEL = someModel(3_000_000, 1);
const OTHER = someModel(3_000_000, 2);
const KEY = "Y8/20240430_y8s_640x1152_nms_f32_trt.onnx";
const NAME = "20240430_y8s_640x1152_nms_f32_trt";
const ENVIRONMENT = { MINIO_ACCESS_KEY: KEYS.accessKey, MINIO_SECRET_KEY: KEYS.secretKey };
const utf8 = (text: string) => new TextEncoder().encode(text);

for (const product of [SEAWEEDFS, RCLONE]) {
  const found = await s3Program(product);
  const title = `${product.project}: models come out of a real S3-compatible server`;
  if ("unavailable" in found) {
    Deno.test({ name: `${title} (skipped: ${found.unavailable})`, ignore: true, fn() {} });
    continue;
  }
  Deno.test({ name: title, sanitizeOps: false, sanitizeResources: false }, async (test) => {
    const folder = await Deno.makeTempDir({ prefix: "trtd-s3-" });
    const files = {
      [KEY]: MODEL,
      "Y8/coco.txt": utf8("person\nbicycle\n"),
      "Y8/ä b+c (1).onnx": OTHER,
      "Y8/page.onnx": utf8("<html>"),
    };
    try {
      await using server = await product.start(found.program, folder, files);
      const aliases: Aliases = { minio: { endpoint: server.endpoint, bucket: BUCKET } };
      const options: PullOptions = { aliases, settings: { environment: ENVIRONMENT } };

      await test.step("a model lands with its class names, and is found without a network the next time", () =>
        withRig(async (rig) => {
          const pulled = await rig.pull(`minio:${KEY}`, { ...options, labels: "minio:Y8/coco.txt" });
          assert.equal(pulled.status, "downloaded");
          assert.equal(pulled.sha256, sha256Of(MODEL));
          assert.equal(pulled.model.name, NAME);
          assert.deepEqual(pulled.model.manifest.labels, ["person", "bicycle"]);
          const { uri, bytes, sha256, labels } = pulled.model.manifest.source!;
          assert.deepEqual([uri, bytes, sha256, labels], [
            `minio:${KEY}`,
            MODEL.length,
            sha256Of(MODEL),
            "minio:Y8/coco.txt",
          ]);
          assert.deepEqual(await rig.files(), [`${NAME}/${NAME}.onnx`, `${NAME}/manifest.json`]);
          const offline = { ...options, settings: { environment: {}, offline: true } };
          const again = await rig.pull(`minio:${KEY}`, { ...offline, labels: "minio:Y8/coco.txt" });
          assert.equal(again.status, "found");
          assert.equal((await rig.pull(`minio:${KEY}#sha256=${sha256Of(MODEL)}`, offline)).status, "found");
          assert.equal((await rig.refused("minio:Y8/other.onnx", offline)).code, "DOWNLOAD_OFFLINE");
        }));

      await test.step("a key with spaces, plus, parentheses and umlauts is signed as it is", () =>
        withRig(async (rig) => {
          const pulled = await rig.pull("minio:Y8/ä b+c (1).onnx", { ...options, name: "odd" });
          assert.equal(pulled.sha256, sha256Of(OTHER));
        }));

      await test.step("an interrupted download goes on, or begins anew where the store cannot be relied on", () =>
        withRig(async (rig) => {
          const interrupt = new AbortController();
          const onProgress = ({ bytes }: { bytes: number }) => {
            if (bytes > MODEL.length / 3) interrupt.abort(new Error("stop"));
          };
          await assert.rejects(
            rig.pull(`minio:${KEY}`, { ...options, watch: { signal: interrupt.signal, onProgress } }),
            /stop/,
          );
          const pulled = await rig.pull(`minio:${KEY}`, options);
          assert.ok(product.resumes ? pulled.resumedFrom > MODEL.length / 3 : pulled.resumedFrom === 0);
          assert.equal(pulled.sha256, sha256Of(MODEL));
        }));

      await test.step("a file that changes while it is downloaded is the new one in the end, never a mixture", () =>
        withRig(async (rig) => {
          await product.put(server, folder, "Y8/changing.onnx", MODEL);
          const interrupt = new AbortController();
          const onProgress = ({ bytes }: { bytes: number }) => {
            if (bytes > MODEL.length / 3) interrupt.abort(new Error("stop"));
          };
          const word = "minio:Y8/changing.onnx";
          await assert.rejects(rig.pull(word, { ...options, watch: { signal: interrupt.signal, onProgress } }), /stop/);
          await product.put(server, folder, "Y8/changing.onnx", OTHER);
          assert.equal((await rig.pull(word, options)).sha256, sha256Of(OTHER));
          await product.put(server, folder, "Y8/changing.onnx", MODEL);
          assert.equal((await rig.pull(word, options)).status, "found", "what was pulled stays");
          assert.equal((await rig.pull(word, { ...options, refresh: true })).sha256, sha256Of(MODEL));
          const pinned = await rig.pull(`${word}#sha256=${sha256Of(MODEL)}`, options);
          assert.equal(pinned.status, "found");
        }));

      await test.step("what cannot be had says why, and leaves nothing", () =>
        withRig(async (rig) => {
          const wrong = (environment: Record<string, string>): PullOptions => ({ aliases, settings: { environment } });
          const cases:
            readonly (readonly [title: string, word: string, options: PullOptions, code: string, says: RegExp])[] = [
              ["no such key", "minio:Y8/none.onnx", options, "DOWNLOAD_NOT_FOUND", /NoSuchKey/],
              ["no such bucket", "minio://nobucket/Y8/a.onnx", options, "DOWNLOAD_NOT_FOUND", /NoSuchBucket/],
              [
                "a wrong secret",
                `minio:${KEY}`,
                wrong({ ...ENVIRONMENT, MINIO_SECRET_KEY: "topsecret" }),
                "DOWNLOAD_FORBIDDEN",
                /SignatureDoesNotMatch/,
              ],
              [
                "an unknown key",
                `minio:${KEY}`,
                wrong({ ...ENVIRONMENT, MINIO_ACCESS_KEY: "nobodyatall" }),
                "DOWNLOAD_FORBIDDEN",
                /InvalidAccessKeyId/,
              ],
              ["no keys", `minio:${KEY}`, wrong({}), "CREDENTIALS_MISSING", /MINIO_ACCESS_KEY and MINIO_SECRET_KEY/],
              ["no model", "minio:Y8/page.onnx", options, "MODEL_NOT_PROTOBUF", /no usable model/],
              [
                "another digest",
                `minio:${KEY}#sha256=${sha256Of(OTHER)}`,
                options,
                "DIGEST_MISMATCH",
                /has the SHA-256/,
              ],
            ];
          for (const [title, word, given, code, says] of cases) {
            const error = await rig.refused(word, given);
            assert.equal(error.code, code, `${title}: ${error.message}`);
            assert.match(error.message, says, title);
            assert.doesNotMatch(`${error.message} ${error.remedy} ${error.stack}`, /topsecret|trtdtestsecret/, title);
            assert.deepEqual(await rig.files(), [], title);
          }
        }));

      await test.step("class names that are not there are a remark", () =>
        withRig(async (rig) => {
          const pulled = await rig.pull(`minio:${KEY}`, { ...options, labels: "minio:Y8/none.txt" });
          assert.equal(pulled.status, "downloaded");
          assert.equal(pulled.model.manifest.labels, undefined);
          assert.match(pulled.remarks.join("\n"), /no class names in "minio:Y8\/none.txt"/);
        }));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
    assert.equal(await Deno.stat(join(folder)).then(() => true, () => false), false);
  });
}
