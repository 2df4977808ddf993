import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { convertCommand } from "../../src/cli/convert.ts";
import { nearestOf } from "../../src/nearest.ts";
import { runCli } from "../../src/cli/run.ts";
import { fileDigests } from "../../src/onnx/facts.ts";
import { PASS_NAMES } from "../../src/onnx/passes/pass.ts";
import { PASSES, runPasses } from "../../src/onnx/passes/passes.ts";
import { readModel } from "../../src/onnx/read.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { tinyYolo } from "../onnx/build_model.ts";
import { nmsModel } from "../onnx/nms_models.ts";

interface Ran {
  readonly status: number;
  readonly out: string;
  readonly err: string;
  /** Names in the folder afterwards. */
  readonly names: readonly string[];
  read(name: string): Uint8Array;
}

const YOLO = tinyYolo([], { labels: ["cat", "dog"] });
const NMS = writeModel(nmsModel({ boxes: [1, 2, 3, 4], scores: [0.5, 0.5], scoreDims: [1, 2] }));

/** Run `trtd convert` in a folder that holds the given files; a string is a link to another name. */
async function convert(files: Readonly<Record<string, Uint8Array | string>>, ...args: string[]): Promise<Ran> {
  const cwd = await Deno.makeTempDir({ prefix: "trtd-convert-" });
  const out: string[] = [], err: string[] = [];
  try {
    for (const [name, content] of Object.entries(files)) {
      if (typeof content === "string") await Deno.symlink(join(cwd, content), join(cwd, name));
      else await Deno.writeFile(join(cwd, name), content);
    }
    const status = await runCli(["convert", ...args], { convert: () => Promise.resolve(convertCommand) }, {
      cwd,
      interactive: false,
      resolve: (path) => resolve(cwd, path),
      print: (text) => out.push(text),
      note: (text) => err.push(text),
    });
    const names = [...Deno.readDirSync(cwd)].map(({ name }) => name).sort();
    const contents = new Map(names.map((name) => [name, Deno.readFileSync(join(cwd, name))]));
    return { status, out: out.join("\n"), err: err.join("\n"), names, read: (name) => contents.get(name)! };
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
}

Deno.test("convert: the passes run in order and the result lies whole under its name", async () => {
  const ran = await convert({ "a.onnx": NMS }, "a.onnx", "--pass", "nms-split", "--pass", "fold", "-o", "b.onnx");
  assert.equal(ran.err, "");
  assert.equal(ran.status, 0);
  assert.deepEqual(ran.names, ["a.onnx", "b.onnx"]);
  assert.match(
    ran.out,
    /^nms-split: nodes cut 1\n {2}The outputs "num_dets".*\nfold: .*\nb\.onnx: 0\.0 MB written to .*b\.onnx$/,
  );
  const wanted = runPasses(readModel(NMS), [{ pass: "nms-split" }, { pass: "fold" }]).model;
  assert.deepEqual(ran.read("b.onnx"), writeModel(wanted));
  assert.deepEqual(ran.read("a.onnx"), NMS);
});

Deno.test("convert --json: one value with sizes, digest and the report of each pass", async () => {
  const { status, out, read } = await convert(
    { "a.onnx": NMS },
    "a.onnx",
    "--pass",
    "nms-split, int32",
    "-o",
    "b.onnx",
    "--json",
  );
  assert.equal(status, 0);
  const { input, output, bytes, sha256, changed, reports, ...rest } = JSON.parse(out);
  assert.deepEqual(rest, {});
  assert.match(input, /a\.onnx$/);
  assert.match(output, /b\.onnx$/);
  assert.deepEqual({ bytes, sha256 }, { bytes: read("b.onnx").length, sha256: fileDigests(read("b.onnx")).sha256 });
  assert.equal(changed, true);
  assert.deepEqual(reports.map(({ pass, version }: Record<string, unknown>) => [pass, version]), [
    ["nms-split", PASSES["nms-split"].version],
    ["int32", PASSES.int32.version],
  ]);
});

Deno.test("convert: a model that nothing changes is written as it is, over an older result too", async () => {
  const files = { "a.onnx": YOLO, "b.onnx": Uint8Array.of(1, 2, 3) };
  const { status, out, names, read } = await convert(files, "a.onnx", "--pass", "nms-split", "-o", "b.onnx");
  assert.equal(status, 0);
  assert.match(out, /^nms-split: nothing to change\n/);
  assert.deepEqual(read("b.onnx"), YOLO);
  assert.deepEqual(names, ["a.onnx", "b.onnx"]);
});

Deno.test("convert: flags reach their pass", async () => {
  const attach = await convert(
    { "a.onnx": YOLO },
    ...["a.onnx", "--pass", "nms-attach", "-o", "b.onnx", "--score-threshold", "0.125", "--iou-threshold", "0.75"],
    ...["--max-boxes", "7", "--box-coding", "corners", "--class-agnostic", "--layout", "channels-first"],
  );
  assert.match(
    attach.out,
    /has background_class -1, box_coding 0, class_agnostic 1, iou_threshold 0\.75, max_output_boxes 7, .* score_threshold 0\.125/,
  );
  const half = await convert({ "a.onnx": YOLO }, "a.onnx", "--pass", "fp16", "--io", "fp16", "-o", "b.onnx");
  assert.equal(readModel(half.read("b.onnx")).graph.input[0]!.type!.tensor_type!.elem_type, 10);
  const fixed = await convert({ "a.onnx": YOLO }, "a.onnx", "--pass", "static-batch", "--batch", "4", "-o", "b.onnx");
  assert.equal(readModel(fixed.read("b.onnx")).graph.input[0]!.type!.tensor_type!.shape!.dim[0]!.dim_value, 4);
});

const WRONG: readonly [what: string, args: string[], status: number, says: RegExp][] = [
  [
    "an unknown pass",
    ["a.onnx", "--pass", "fp61", "-o", "b.onnx"],
    2,
    /USAGE: There is no pass "fp61"; "fp16" is near\n.*int32, fp16/,
  ],
  ["a pass like no other", ["a.onnx", "--pass", "quantize", "-o", "b.onnx"], 2, /no pass "quantize"\n/],
  ["an empty name of a pass", ["a.onnx", "--pass", "fp16,", "-o", "b.onnx"], 2, /no pass ""/],
  ["no pass", ["a.onnx", "-o", "b.onnx"], 2, /--pass/],
  ["no output", ["a.onnx", "--pass", "fp16"], 2, /--output/],
  [
    "a flag of another pass",
    ["a.onnx", "--pass", "fold", "--batch", "2", "-o", "b.onnx"],
    2,
    /--batch belongs to the pass "static-batch"/,
  ],
  [
    "a word for a number",
    ["a.onnx", "--pass", "static-batch", "--batch", "two", "-o", "b.onnx"],
    2,
    /--batch takes a number, current value is "two"/,
  ],
  [
    "a number out of range",
    ["a.onnx", "--pass", "nms-attach", "--max-boxes", "9000", "-o", "b.onnx"],
    2,
    /from 1 to 5000/,
  ],
  ["an unknown type", ["a.onnx", "--pass", "fp16", "--io", "int8", "-o", "b.onnx"], 2, /f32, fp16/],
  ["the input as output", ["a.onnx", "--pass", "fp16", "-o", "a.onnx"], 3, /OUTPUT_UNWRITABLE: .* overwrite the model/],
  ["a link to the input as output", ["a.onnx", "--pass", "fp16", "-o", "link.onnx"], 3, /overwrite the model/],
  ["a folder that is not there", ["a.onnx", "--pass", "fp16", "-o", "no/b.onnx"], 3, /OUTPUT_UNWRITABLE: Cannot write/],
  ["a model that is not there", ["none.onnx", "--pass", "fp16", "-o", "b.onnx"], 1, /FILE_NOT_FOUND/],
  ["a file that is no model", ["text.onnx", "--pass", "fp16", "-o", "b.onnx"], 1, /MODEL_NOT_PROTOBUF/],
  [
    "a model that a pass refuses",
    ["end.onnx", "--pass", "nms-attach", "-o", "old.onnx"],
    1,
    /PASS_REFUSED: .*no known layout/,
  ],
];
for (const [what, args, status, says] of WRONG) {
  Deno.test(`convert: ${what} is told with its remedy, and nothing is written`, async () => {
    const files = {
      "a.onnx": YOLO,
      "text.onnx": new TextEncoder().encode("no model"),
      "end.onnx": tinyYolo([], { labels: ["a"], anchors: 300 }),
      "old.onnx": Uint8Array.of(7),
      "link.onnx": "a.onnx",
    };
    const ran = await convert(files, ...args);
    assert.equal(ran.status, status, ran.err);
    assert.match(ran.err, says);
    assert.match(ran.err, /remedy: \S/);
    assert.equal(ran.out, "");
    assert.deepEqual(ran.names, Object.keys(files).sort());
    assert.deepEqual([ran.read("a.onnx"), ran.read("old.onnx")], [YOLO, Uint8Array.of(7)]);
    const asJson = await convert(files, ...args, "--json");
    assert.equal(asJson.status, status);
    if (asJson.out !== "") assert.deepEqual(Object.keys(JSON.parse(asJson.out).error), ["code", "detail", "remedy"]);
  });
}

Deno.test("convert --help: every pass is listed with what it does", async () => {
  const { status, out } = await convert({}, "--help");
  assert.equal(status, 0);
  for (const name of PASS_NAMES) assert.ok(out.includes(`${name}  `) && out.includes(PASSES[name].summary), name);
});

Deno.test("convert: a near word is a misspelling, a far one is not", () => {
  const cases: [string, string | undefined][] = [
    ["int23", "int32"],
    ["nmssplit", "nms-split"],
    ["FOLD", "fold"],
    ["static_batch", "static-batch"],
    ["", undefined],
    ["half", undefined],
  ];
  for (const [word, near] of cases) assert.equal(nearestOf(word, PASS_NAMES), near, word);
  assert.equal(nearestOf("x", []), undefined);
});
