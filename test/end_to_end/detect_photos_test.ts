import assert from "node:assert/strict";
import { join } from "node:path";
import type { Detection, DetectionResult } from "../../src/detect/detection.ts";
import { ServeProcess } from "../server/serve_process.ts";
import { iou, photoPaths, readRecord, recordName } from "./photos.ts";
import { cleanEnvironment } from "../clean_environment.ts";

const MAIN = join(import.meta.dirname!, "../../src/main.ts");
const photos = photoPaths();
const record = readRecord();

function assertRecorded(photo: string, found: readonly Detection[]): void {
  const expected = record[recordName(photo)];
  assert.ok(expected !== undefined && expected.length >= 3, `${photo} has a record`);
  const left = [...found];
  for (const { label, box, score } of expected) {
    const at = left.findIndex((one) => one.label === label && iou(one.box, box) >= 0.9);
    assert.ok(at >= 0, `${recordName(photo)}: ${label} at ${JSON.stringify(box)} is found`);
    assert.ok(Math.abs(left[at]!.score - score) < 0.02, `${recordName(photo)}: ${label} has score ${score}`);
    left.splice(at, 1);
  }
  assert.deepEqual(left, [], `${recordName(photo)}: nothing else is found`);
}

async function detect(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", MAIN, "detect", ...args],
    clearEnv: true,
    env: cleanEnvironment(),
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

Deno.test("photos: the default model finds the recorded boxes from the command line", async () => {
  const { code, stdout, stderr } = await detect("--json", ...photos);
  assert.equal(code, 0, stderr);
  const entries: (DetectionResult & { file: string })[] = JSON.parse(stdout);
  assert.equal(entries.length, photos.length);
  entries.forEach((entry, i) => assertRecorded(photos[i]!, entry.detections));
});

Deno.test("photos: the default model finds the recorded boxes over a real socket", async () => {
  await using serve = await ServeProcess.start([]);
  await serve.ready();
  for (const photo of photos) {
    const raw = await fetch(`${serve.url}/v1/detect`, {
      method: "POST",
      body: Deno.readFileSync(photo),
      headers: { "content-type": "image/jpeg" },
    });
    assert.equal(raw.status, 200);
    assertRecorded(photo, (await raw.json()).detections);
    const form = new FormData();
    form.set("image", new Blob([Deno.readFileSync(photo)], { type: "image/jpeg" }), recordName(photo));
    const multipart = await fetch(`${serve.url}/v1/models/codes/detect`, { method: "POST", body: form });
    assert.equal(multipart.status, 200);
    assertRecorded(photo, (await multipart.json()).detections);
  }
});

Deno.test("photos: every class of the default model is in at least one of them", () => {
  const labels = new Set(Object.values(record).flatMap((found) => found.map(({ label }) => label)));
  assert.deepEqual(
    [...labels].sort(),
    ["aztec", "data_matrix", "fiducial", "linear_barcode", "pdf417", "qr_code"],
  );
});

Deno.test("detect: one bad file does not stop the others and sets the exit status", async () => {
  const folder = await Deno.makeTempDir({ prefix: "trtd-test-" });
  try {
    const bad = join(folder, "bad.jpg");
    await Deno.writeFile(bad, Deno.readFileSync(photos[0]!).subarray(0, 5000));
    const out = join(folder, "out");
    const { code, stdout, stderr } = await detect("--json", "-o", out, bad, join(folder, "no.png"), photos[0]!);
    assert.equal(code, 1);
    const [first, second, third] = JSON.parse(stdout);
    assert.deepEqual([first.error.code, second.error.code], ["IMAGE_CORRUPT", "FILE_NOT_FOUND"]);
    assert.ok(first.error.remedy.length > 0);
    assertRecorded(photos[0]!, third.detections);
    assert.match(stderr, /trtd: IMAGE_CORRUPT: .*bad\.jpg.*\n {2}remedy: /);
    assert.deepEqual([...Deno.readDirSync(out)].map(({ name }) => name), [recordName(photos[0]!)]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("detect: --classes, --score and --max choose among the detections", async () => {
  const photo = photos[0]!;
  const labels = record[recordName(photo)]!.map(({ label }) => label);
  const wanted = labels[0]!;
  const [only] = JSON.parse((await detect("--json", "--classes", wanted, photo)).stdout);
  assert.equal(only.detections.length, labels.filter((label) => label === wanted).length);
  const [one] = JSON.parse((await detect("--json", "--max", "1", photo)).stdout);
  assert.equal(one.detections.length, 1);
  const [none] = JSON.parse((await detect("--json", "--score", "1", photo)).stdout);
  assert.deepEqual(none.detections, []);
});

/** A folder without TensorRT. */
const NOWHERE = import.meta.dirname!;
const MISTAKES: readonly [name: string, args: string[], code: string, status: number][] = [
  ["an unknown label", ["--classes", "cat", photos[0]!], "PARAMETER_INVALID", 1],
  ["an unknown model", ["--model", "nothing", photos[0]!], "MODEL_NOT_FOUND", 1],
  ["a model's name with a path", ["--model", "../codes", photos[0]!], "MODEL_NAME_INVALID", 1],
  ["two models", ["--model", "codes,codes", photos[0]!], "USAGE", 2],
  [
    "a backend that is not there",
    ["--backend", "tensorrt", "--tensorrt", NOWHERE, photos[0]!],
    "TENSORRT_NOT_FOUND",
    3,
  ],
  ["an output of another type", ["-o", "x.png", photos[0]!], "USAGE", 2],
];
for (const [name, args, code, status] of MISTAKES) {
  Deno.test(`detect: ${name} is refused as ${code}`, async () => {
    const outcome = await detect("--json", ...args);
    assert.equal(outcome.code, status, outcome.stderr);
    assert.match(outcome.stderr, new RegExp(`^trtd: ${code}: .*\\n {2}remedy: .*\\n$`));
    assert.equal(outcome.stdout, "");
  });
}
