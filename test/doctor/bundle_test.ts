import assert from "node:assert/strict";
import { join } from "node:path";
import { lastBuildFiles } from "../../src/doctor/build_logs.ts";
import { bundleFiles } from "../../src/doctor/bundle.ts";
import { doctorReport } from "../../src/doctor/report.ts";
import { withoutSecrets } from "../../src/secrets.ts";
import { tarFrom } from "../../src/doctor/tar.ts";
import { machine } from "./machines.ts";

Deno.test("bundle: secrets are taken out, and other words stay", () => {
  const cases: [text: string, expected: string][] = [
    ["s3://user:pa%55ss@minio:9000/models", "s3://***@minio:9000/models"],
    ["https://x/m.onnx?X-Amz-Signature=abc123&part=2", "https://x/m.onnx?X-Amz-Signature=***&part=2"],
    ["Authorization: Bearer eyJhbGciOi.J9-x_y", "Authorization: Bearer ***"],
    ["MINIO_SECRET_KEY=hunter2 next", "MINIO_SECRET_KEY=*** next"],
    ['{"password": "a b", "host": "h"}', '{"password": "***", "host": "h"}'],
    ['{"s3_access_key":"AKIA","x":1}', '{"s3_access_key":"***","x":1}'],
    ["/home/ann/models/m.onnx", "~/models/m.onnx"],
    ["Loading key frames at https://example.org/a", "Loading key frames at https://example.org/a"],
    ["basic block", "basic block"],
  ];
  for (const [text, expected] of cases) assert.equal(withoutSecrets(text, "/home/ann"), expected);
});

Deno.test("bundle: taking out secrets takes time in proportion to the text", () => {
  const begun = performance.now();
  for (const unit of ["secret", "://a", 'password="', "bearer ", "?token=", "a:"]) {
    withoutSecrets(unit.repeat(1_000_000 / unit.length), "/home/ann");
  }
  assert.ok(performance.now() - begun < 30_000);
});

Deno.test("bundle: the report has findings, settings, chosen variables and explained logs", () => {
  const log =
    "2: [helpers.h::smVerHex2Dig::694] Error Code 2: Internal Error (Assertion major >= 0 && major < 10 failed. )";
  const files = bundleFiles({
    report: doctorReport(machine()),
    version: "9.9.9",
    settings: { models: "/home/ann/models", store: "s3://k:v@host" },
    environment: { HOME: "/home/ann", LD_LIBRARY_PATH: "/opt/trt", MINIO_ROOT_PASSWORD: "hunter2", AWS_PROFILE: "ann" },
    builds: [
      { name: "m/fp16/bs1/m.build.log", text: log },
      { name: `${"x".repeat(200)}/f32/bs1/x.engine.json`, text: "{}" },
    ],
  });
  const decoder = new TextDecoder();
  const texts = new Map(files.map(({ name, bytes }) => [name, decoder.decode(bytes)]));
  assert.deepEqual([...texts.keys()].slice(0, 5), [
    "trtd-report/doctor.txt",
    "trtd-report/doctor.json",
    "trtd-report/settings.json",
    "trtd-report/explanations.json",
    "trtd-report/builds/m/fp16/bs1/m.build.log",
  ]);
  assert.ok([...texts.keys()].every((name) => name.length <= 100));
  assert.match(texts.get("trtd-report/doctor.txt")!, /^trtd 9\.9\.9\n/);
  const settings = JSON.parse(texts.get("trtd-report/settings.json")!);
  assert.deepEqual(settings.settings, { models: "~/models", store: "s3://***@host" });
  assert.deepEqual(settings.environment, { LD_LIBRARY_PATH: "/opt/trt" });
  const [explanation] = JSON.parse(texts.get("trtd-report/explanations.json")!);
  assert.deepEqual([explanation.known, explanation.code], [true, "GPU_UNSUPPORTED"]);
  for (const text of texts.values()) assert.doesNotMatch(text, /hunter2|\/home\/ann/);
});

Deno.test("bundle: the archive is one that tar reads", async () => {
  const folder = await Deno.makeTempDir({ prefix: "trtd-tar-" });
  try {
    const files = [
      { name: "a/empty.txt", bytes: new Uint8Array(0) },
      { name: "a/block.bin", bytes: new Uint8Array(512).fill(7) },
      { name: "a/more.txt", bytes: new TextEncoder().encode("ü".repeat(700)) },
    ];
    await Deno.writeFile(join(folder, "x.tar"), tarFrom(files, 1_700_000_000));
    const { success, stderr } = await new Deno.Command("tar", { args: ["-xf", "x.tar"], cwd: folder }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    for (const { name, bytes } of files) assert.deepEqual(await Deno.readFile(join(folder, name)), bytes, name);
    assert.equal((await Deno.stat(join(folder, "a/more.txt"))).mtime?.getTime(), 1_700_000_000_000);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  assert.throws(() => tarFrom([{ name: "x".repeat(101), bytes: new Uint8Array(0) }], 0), RangeError);
});

Deno.test("bundle: the newest logs come with head and end, and other files do not", async () => {
  const folder = await Deno.makeTempDir({ prefix: "trtd-logs-" });
  try {
    const place = join(folder, "trt", "m", "fp16", "bs1");
    await Deno.mkdir(place, { recursive: true });
    const big = `HEAD${"-".repeat(6_000_000)}END`;
    for (
      const [name, text] of [["m.engine", "plan"], ["m.build.log", big], ["m.engine.json", "{}"], ["notes.txt", "x"]]
    ) {
      await Deno.writeTextFile(join(place, name!), text!);
    }
    await Deno.utime(join(place, "m.engine.json"), new Date(0), new Date(0));
    const files = await lastBuildFiles(folder);
    assert.deepEqual(files.map(({ name }) => name), ["m/fp16/bs1/m.build.log", "m/fp16/bs1/m.engine.json"]);
    assert.ok(files[0]!.text.startsWith("HEAD") && files[0]!.text.endsWith("END") && files[0]!.text.length < 4_500_000);
    assert.match(files[0]!.text, /\n\[\d+ bytes are left out here\]\n/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  assert.deepEqual(await lastBuildFiles("/nowhere"), []);
});
