import assert from "node:assert/strict";
import { join } from "node:path";
import { type ErrorCode, TrtdError } from "../../../src/errors.ts";
import { innerAddress } from "../../../src/models/sources/addresses.ts";
import type { Aliases } from "../../../src/models/sources/alias.ts";
import { storeOf } from "../../../src/models/sources/alias.ts";
import { credentialsOf } from "../../../src/models/sources/credentials.ts";
import { labelsFrom } from "../../../src/models/sources/labels.ts";
import { isSource, parseBeside, parseSource } from "../../../src/models/sources/source.ts";

const ALIASES: Aliases = {
  minio: { endpoint: "https://minio.example:9000", bucket: "models" },
  depot: { endpoint: "https://depot.example/s3", bucket: "b", prefix: "ai/", path_style: false },
};
const CONTEXT = {
  aliases: ALIASES,
  cwd: "/site",
  environment: { AWS_REGION: "eu-west-1" },
  trustedHosts: ["lab:8000"],
};
const DIGEST = "0123456789abcdef".repeat(4);

const parsed = (word: string) => parseSource(word, CONTEXT);

function refusal(run: () => unknown): TrtdError {
  try {
    run();
  } catch (thrown) {
    assert.ok(thrown instanceof TrtdError, String(thrown));
    return thrown;
  }
  assert.fail("Nothing was thrown");
}

Deno.test("source: what each form stands for", () => {
  const addresses: Readonly<Record<string, readonly [address: string, shown: string, fileName: string]>> = {
    "minio:Y8/20240430_y8s_640x1152_nms_f32_trt.onnx": [
      "https://minio.example:9000/models/Y8/20240430_y8s_640x1152_nms_f32_trt.onnx",
      "minio:Y8/20240430_y8s_640x1152_nms_f32_trt.onnx",
      "20240430_y8s_640x1152_nms_f32_trt.onnx",
    ],
    "MINIO:a.onnx": ["https://minio.example:9000/models/a.onnx", "minio:a.onnx", "a.onnx"],
    "minio://other/Y8/a.onnx": ["https://minio.example:9000/other/Y8/a.onnx", "minio://other/Y8/a.onnx", "a.onnx"],
    "minio:ä b+c'(1).onnx": [
      "https://minio.example:9000/models/%C3%A4%20b%2Bc%27%281%29.onnx",
      "minio:ä b+c'(1).onnx",
      "ä b+c'(1).onnx",
    ],
    "depot:a.onnx": ["https://b.depot.example/s3/ai/a.onnx", "depot:a.onnx", "a.onnx"],
    "s3://bucket/Y8/a.onnx": ["https://s3.eu-west-1.amazonaws.com/bucket/Y8/a.onnx", "s3://bucket/Y8/a.onnx", "a.onnx"],
    "https://models.example/a%20b.onnx": [
      "https://models.example/a%20b.onnx",
      "https://models.example/a%20b.onnx",
      "a b.onnx",
    ],
    "https://models.example/a.onnx?X-Amz-Signature=secret": [
      "https://models.example/a.onnx?X-Amz-Signature=secret",
      "https://models.example/a.onnx?...",
      "a.onnx",
    ],
    "http://lab:8000/a.onnx": ["http://lab:8000/a.onnx", "http://lab:8000/a.onnx", "a.onnx"],
  };
  for (const [word, [address, shown, fileName]] of Object.entries(addresses)) {
    const source = parsed(word);
    assert.ok(source.kind !== "file", word);
    assert.deepEqual([source.url.href, source.shown, source.fileName], [address, shown, fileName], word);
    assert.equal(parsed(`${word}#sha256=${DIGEST.toUpperCase()}`).sha256, DIGEST, word);
    assert.equal(parsed(`${word}#sha256=${DIGEST}`).identity, source.identity, word);
    assert.equal(isSource(word), true, word);
  }
  for (const word of ["a.onnx", "./a.onnx", "/site/a.onnx", "file:///site/a.onnx"]) {
    const source = parsed(word);
    assert.deepEqual([source.kind, source.kind === "file" && source.path], ["file", "/site/a.onnx"], word);
  }
  assert.equal(isSource("./minio:a.onnx"), false);
  assert.equal(isSource("codes"), false);
});

Deno.test("source: what stands for nothing is refused, and nothing secret is told", () => {
  const cases: Readonly<Record<string, RegExp>> = {
    "": /empty/,
    "nobody:a.onnx": /no alias "nobody"/,
    "toString:a.onnx": /no alias/,
    "minio:": /is not minio:KEY/,
    "minio:/a.onnx": /is not minio:KEY/,
    "minio:a//b.onnx": /is not minio:KEY/,
    "minio:../other/a.onnx": /is not minio:KEY/,
    "minio:a/./b.onnx": /is not minio:KEY/,
    "minio://bucket": /names no object/,
    "s3:a.onnx": /names no object/,
    "http://models.example/a.onnx": /plain http/,
    "http://lab/a.onnx": /plain http/,
    "https://user:hunter2@models.example/a.onnx": /user or password/,
    "https://": /not an address/,
    "file://elsewhere/a.onnx": /this machine/,
    "minio:a.onnx\n": /control characters/,
    "minio:a.onnx#sha256=123": /64 hexadecimal digits/,
    "minio:a.onnx#sha1=123": /pin/,
  };
  for (const [word, says] of Object.entries(cases)) {
    const error = refusal(() => parsed(word));
    assert.equal(error.code, "SOURCE_INVALID", word);
    assert.match(error.message, says, word);
    assert.doesNotMatch(`${error.message} ${error.remedy}`, /hunter2|\n/);
  }
});

Deno.test("source: a file of class names beside the model", () => {
  const beside = (of: string, word: string) => parseBeside(word, parsed(of), CONTEXT).shown;
  assert.equal(beside("minio:Y8/a.onnx", "coco.txt"), "minio:Y8/coco.txt");
  assert.equal(beside("minio:a.onnx", "coco.txt"), "minio:coco.txt");
  assert.equal(beside("minio://b/Y8/a.onnx", "names/coco.txt"), "minio://b/Y8/names/coco.txt");
  assert.equal(beside("https://models.example/x/a.onnx?key=1", "coco.txt"), "https://models.example/x/coco.txt");
  assert.equal(beside("/models/a.onnx", "coco.txt"), "/models/coco.txt");
  assert.equal(beside("minio:Y8/a.onnx", "./coco.txt"), "/site/coco.txt");
  assert.equal(beside("minio:Y8/a.onnx", "s3://b/coco.txt"), "s3://b/coco.txt");
});

Deno.test("addresses: those of the Internet are told from the others", () => {
  const kinds: Readonly<Record<string, string | null>> = {
    "8.8.8.8": null,
    "2606:4700::1111": null,
    "127.0.0.1": "loopback",
    "::1": "loopback",
    "::ffff:127.0.0.1": "loopback",
    "10.0.0.1": "private",
    "172.16.0.1": "private",
    "192.168.0.1": "private",
    "100.64.0.1": "private",
    "169.254.169.254": "link-local",
    "fe80::1": "link-local",
    "fd00::1": "private",
    "0.0.0.0": "unspecified",
    "224.0.0.1": "multicast",
    "255.255.255.255": "broadcast",
    "64:ff9b::7f00:1": "rfc6052",
    "name": "not an address",
  };
  for (const [address, kind] of Object.entries(kinds)) assert.equal(innerAddress(address), kind, address);
});

Deno.test("labels: lines and JSON, in the order of the classes", () => {
  const good: readonly (readonly [text: string, labels: readonly string[]])[] = [
    ["person\nbicycle\n", ["person", "bicycle"]],
    ["\ufeffperson\r\nbicycle\r\n\r\n", ["person", "bicycle"]],
    ['["person", "bicycle"]', ["person", "bicycle"]],
    ['{"1": "bicycle", "0": "person"}', ["person", "bicycle"]],
    ['{"names": ["person"]}', ["person"]],
    ['{"names": {"0": "person", "1": "bicycle"}}', ["person", "bicycle"]],
    ["traffic light", ["traffic light"]],
  ];
  for (const [text, labels] of good) assert.deepEqual(labelsFrom(new TextEncoder().encode(text), "x"), labels, text);
  const bad: readonly (readonly [bytes: Uint8Array | string, says: RegExp])[] = [
    ["", /no names/],
    ["\n\n", /no names/],
    ["a\n\nb", /no name for class 1/],
    ["[]", /no names/],
    ["[1]", /no name for class 0/],
    ["[", /not JSON/],
    ['{"a": "b"}', /no class's number/],
    ['{"5": "b"}', /no class's number/],
    ['{"names": 5}', /no list/],
    ["a\u0007", /control characters/],
    [Uint8Array.of(0xff, 0xfe, 0x41), /UTF-8/],
    ["x\n".repeat(10_001), /the limit is 10000/],
  ];
  for (const [bytes, says] of bad) {
    const data = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
    const error = refusal(() => labelsFrom(data, "coco.txt"));
    assert.equal(error.code, "LABELS_INVALID");
    assert.match(error.message, says);
  }
});

Deno.test("credentials: from variables, a file or nowhere, and never told", async () => {
  const folder = await Deno.makeTempDir({ prefix: "trtd-keys-" });
  try {
    const file = join(folder, "keys");
    const store = (fields: Aliases[string] = {}) =>
      storeOf("minio", { minio: { ...ALIASES["minio"], ...fields } }, {})!;
    const of = (fields: Aliases[string], environment: Record<string, string> = {}, told: string[] = []) =>
      credentialsOf(store(fields), environment, (text) => told.push(text));
    const keys = { accessKeyId: "AK", secretAccessKey: "SK" };
    const environment = { MINIO_ACCESS_KEY: "AK", MINIO_SECRET_KEY: "SK" };
    assert.deepEqual(await of({}, environment), { ...keys, sessionToken: null });
    assert.deepEqual(
      await of({ access_key_env: "A", secret_key_env: "S", session_token_env: "T" }, { A: "AK", S: "SK", T: "t" }),
      {
        ...keys,
        sessionToken: "t",
      },
    );
    assert.equal(await of({ anonymous: true }), null);
    const texts: Readonly<Record<string, string>> = {
      '{"access_key": "AK", "secret_key": "SK"}': "default",
      "[default]\naws_access_key_id = AK\naws_secret_access_key = SK\n[lab]\naws_access_key_id = other\n": "default",
      "[default]\naws_access_key_id = x\naws_secret_access_key = y\n[lab]\naws_access_key_id=AK\naws_secret_access_key=SK":
        "lab",
      "access_key = AK\nsecret_key = SK\n": "default",
    };
    for (const [text, credentials_profile] of Object.entries(texts)) {
      await Deno.writeTextFile(file, text, { mode: 0o600 });
      assert.deepEqual(
        await of({ credentials_file: file, credentials_profile }),
        { ...keys, sessionToken: null },
        text,
      );
    }
    const told: string[] = [];
    await Deno.chmod(file, 0o644);
    await of({ credentials_file: file }, {}, told);
    assert.match(told.join(), /Other users may read/);

    const refused = async (promise: Promise<unknown>, code: ErrorCode) => {
      const error = await promise.then(() => assert.fail("Nothing was thrown"), (thrown) => thrown);
      assert.equal((error as TrtdError).code, code);
      assert.doesNotMatch(`${error.message} ${error.remedy}`, /\bSK\b|topsecret/);
    };
    await refused(of({}), "CREDENTIALS_MISSING");
    await refused(of({}, { MINIO_ACCESS_KEY: "AK" }), "CREDENTIALS_MISSING");
    await refused(of({ credentials_file: join(folder, "none") }), "FILE_NOT_FOUND");
    await Deno.writeTextFile(file, '{"secret_key": "topsecret"}');
    await refused(of({ credentials_file: file }), "CREDENTIALS_MISSING");
    await refused(of({ credentials_file: folder }), "FILE_UNREADABLE");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
