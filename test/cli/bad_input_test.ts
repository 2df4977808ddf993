import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import type { Terminal } from "../../src/cli/command.ts";
import { runCli } from "../../src/cli/run.ts";
import type { ErrorCode } from "../../src/errors.ts";
import { COMMANDS } from "../../src/main.ts";
import { bundledPhoto } from "../../src/models/registry.ts";
import { tinyYolo } from "../onnx/build_model.ts";

const folder = Deno.makeTempDirSync({ prefix: "trtd-bad-input-" });
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

const model = tinyYolo([{ box: [32, 32, 20, 20], scores: [0.9] }], { labels: ["one"] });
const photo = Deno.readFileSync(bundledPhoto());
const FILES: Readonly<Record<string, Uint8Array | string>> = {
  "ok.onnx": model,
  "cut.onnx": model.subarray(0, model.length >> 1),
  "empty.onnx": "",
  "text.onnx": "This is a text\n",
  "ok.jpg": photo,
  "cut.jpg": photo.subarray(0, photo.length >> 1),
  "empty.jpg": "",
  "text.jpg": "This is a text\n",
  "no.json": "{",
  "odd.json": '{"modle": "codes"}',
  "folder/not a picture.txt": "",
};
for (const [name, content] of Object.entries(FILES)) {
  const path = join(folder, name);
  Deno.mkdirSync(resolve(path, ".."), { recursive: true });
  Deno.writeFileSync(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
}
new Deno.Command("mkfifo", { args: [join(folder, "pipe"), join(folder, "pipe.onnx")] }).outputSync();

type Row = readonly [words: string, status: number, code: ErrorCode];

const OUT = "--pass fp16 -o new.onnx";
const QUICK = "--backend onnxruntime --rounds 3 --window 20 --batches 1 --lanes 1 --model ok.onnx";

/** Words after which no file is there that was not there before. */
const ROWS: readonly Row[] = [
  ["detec", 2, "USAGE"],
  ...pictures("detect --model ok.onnx"),
  ...pictures(`bench ${QUICK} --image`),
  ...models("detect ok.jpg --model"),
  ...models("serve --port 0 --model", { read: false }),
  ...models("inspect", { named: false }),
  ...models(`convert ${OUT}`),
  ...models("build-engine"),
  ...models("bench --backend onnxruntime --model"),
  ...models("verify"),
  ...models("cache key"),
  ...models("pull", { named: false }),
  ["detect folder", 1, "FILE_NOT_FOUND"],
  ["detect ok.jpg --jsn", 2, "USAGE"],
  ["detect ok.jpg --score 2", 2, "USAGE"],
  ["detect ok.jpg --model ok.onnx --model cut.onnx", 2, "USAGE"],
  ["detect ok.jpg --model ok.onnx --classes zebra", 1, "PARAMETER_INVALID"],
  ["detect ok.jpg --model ok.onnx -o ok.jpg", 3, "OUTPUT_UNWRITABLE"],
  ["detect ok.jpg --model ok.onnx -o text.jpg/x", 3, "OUTPUT_UNWRITABLE"],
  ["detect ok.jpg --model ok.onnx -o out.png", 2, "USAGE"],
  ["detect ok.jpg --config none.json", 1, "FILE_NOT_FOUND"],
  ["detect ok.jpg --config folder", 1, "FILE_UNREADABLE"],
  ["detect ok.jpg --config no.json", 2, "CONFIG_INVALID"],
  ["detect ok.jpg --config odd.json", 2, "CONFIG_INVALID"],
  ["serve ok.onnx", 2, "USAGE"],
  ["serve --port 99999", 2, "USAGE"],
  ["serve --port 0 --host 0.0.0.0", 2, "OPEN_BIND"],
  ["serve --port 0 --api-keys-file none", 2, "API_KEYS_INVALID"],
  ["serve --port 0 --api-key secret-in-ps", 2, "USAGE"],
  ["inspect", 2, "USAGE"],
  ["inspect ok.onnx --josn", 2, "USAGE"],
  ["convert ok.onnx --pass fp16", 2, "USAGE"],
  ["convert ok.onnx --pass fp61 -o new.onnx", 2, "USAGE"],
  ["convert ok.onnx --pass static-batch --batch 0 -o new.onnx", 2, "USAGE"],
  ["convert ok.onnx --pass fp16 -o ok.onnx", 3, "OUTPUT_UNWRITABLE"],
  ["convert ok.onnx --pass fp16 -o folder", 3, "OUTPUT_UNWRITABLE"],
  ["convert ok.onnx --pass fp16 -o none/new.onnx", 3, "OUTPUT_UNWRITABLE"],
  ["doctor extra", 2, "USAGE"],
  ["build-engine", 2, "USAGE"],
  ["build-engine ok.onnx --batch 0", 2, "USAGE"],
  ["build-engine ok.onnx --precision fp8", 2, "USAGE"],
  ["build-engine ok.onnx --tensorrt none", 3, "TENSORRT_NOT_FOUND"],
  ["cache", 2, "USAGE"],
  ["cache veryfy", 2, "USAGE"],
  ["cache key", 2, "USAGE"],
  ["cache prune --to -1", 2, "USAGE"],
  ["pull ftp://host/x.onnx", 2, "SOURCE_INVALID"],
  ["pull ok.onnx --sha256 12", 2, "SOURCE_INVALID"],
  ["pull ok.onnx --name Bad", 1, "MODEL_NAME_INVALID"],
  ["pull ok.onnx --models text.jpg", 3, "OUTPUT_UNWRITABLE"],
  ["models extra", 2, "USAGE"],
  ["bench extra", 2, "USAGE"],
  [`bench ${QUICK} --rounds 2`, 2, "USAGE"],
  [`bench ${QUICK} --model cut.onnx`, 2, "USAGE"],
  [`bench ${QUICK} --model cut.onnx --isolation`, 2, "USAGE"],
  [`bench ${QUICK} --report folder`, 3, "OUTPUT_UNWRITABLE"],
  [`bench ${QUICK} --report none/table.md`, 3, "OUTPUT_UNWRITABLE"],
  ["verify ok.onnx --repeat 0", 2, "USAGE"],
  ["verify ok.onnx --pictures none", 1, "FILE_NOT_FOUND"],
  ["verify ok.onnx --pictures text.jpg", 1, "FILE_UNREADABLE"],
  ["verify ok.onnx --pictures folder", 1, "FILE_NOT_FOUND"],
  ["config kye", 2, "USAGE"],
];

/** Rows of a command that takes a picture after its words. */
function pictures(words: string): Row[] {
  return [
    [`${words} none.jpg`, 1, "FILE_NOT_FOUND"],
    [`${words} pipe`, 1, "FILE_UNREADABLE"],
    [`${words} empty.jpg`, 1, "IMAGE_EMPTY"],
    [`${words} text.jpg`, 1, "IMAGE_TYPE_UNSUPPORTED"],
    [`${words} cut.jpg`, 1, "IMAGE_CORRUPT"],
  ];
}

/**
 * Rows of a command that takes a model after its words.
 * @param options.read whether the file is read by this process
 * @param options.named whether a word without `.onnx` is a model's name
 */
function models(words: string, { read = true, named = true } = {}): Row[] {
  const contents: Row[] = [
    [`${words} empty.onnx`, 1, "MODEL_NOT_PROTOBUF"],
    [`${words} text.onnx`, 1, "MODEL_NOT_PROTOBUF"],
    [`${words} cut.onnx`, 1, "MODEL_TRUNCATED"],
  ];
  return [
    [`${words} none.onnx`, 1, "FILE_NOT_FOUND"],
    [`${words} folder`, 1, named ? "MODEL_NOT_FOUND" : "FILE_UNREADABLE"],
    [`${words} pipe.onnx`, 1, "FILE_UNREADABLE"],
    ...read ? contents : [],
  ];
}

const namesBelow = (path: string): string[] =>
  [...Deno.readDirSync(path)].flatMap(({ name, isDirectory }) =>
    isDirectory ? namesBelow(join(path, name)).map((inner) => `${name}/${inner}`) : [name]
  ).filter((name) => !/^models\/\.downloads\/[^/]+\.lock$/.test(name)).sort();

const BEFORE = namesBelow(folder);

for (const [words, status, code] of ROWS) {
  // A bad model is told while the machine is still asked: those child processes end by themselves.
  const free = { sanitizeOps: false, sanitizeResources: false };
  Deno.test(`bad input: trtd ${words} is ${code}`, free, async () => {
    const [out, err]: [string[], string[]] = [[], []];
    const terminal: Terminal = {
      cwd: folder,
      interactive: false,
      resolve: (path) => resolve(folder, path),
      print: (text) => void out.push(text),
      note: (text) => void err.push(text),
    };
    assert.equal(await runCli(words.split(" "), COMMANDS, terminal), status, err.join("\n"));
    const said = err.join("\n");
    assert.match(said, new RegExp(`^trtd: ${code}: \\S.*[^.]\\n  remedy: [A-Z].*[^.]$`, "m"));
    assert.doesNotMatch(said, /\n\s+at \S|INTERNAL/);
    assert.deepEqual(out, []);
    assert.deepEqual(namesBelow(folder), BEFORE, "files");
  });
}
