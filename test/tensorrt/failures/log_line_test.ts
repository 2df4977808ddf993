import assert from "node:assert/strict";
import {
  type LogLine,
  readErrorMessage,
  readLogLine,
  readLogLines,
  TEXT_LIMIT,
} from "../../../src/tensorrt/failures/log_line.ts";
import { nodeAt, nodeText } from "../../../src/tensorrt/failures/onnx_node.ts";

const LINES: readonly (readonly [string, LogLine["severity"], string])[] = [
  [
    "2026-11-22T18:09:24.805059Z ERROR rtx-1.7.1: Unexpected exception bad optional access",
    "error",
    "Unexpected exception bad optional access",
  ],
  [
    "2026-11-22T18:09:25.893139Z WARN rtx-1.7.1: ModelImporter.cpp:1231: opset",
    "warning",
    "ModelImporter.cpp:1231: opset",
  ],
  ["2026-11-22T18:09:25.893139Z FATAL tensorrt-10.16.1: abort", "internal-error", "abort"],
  [
    "[01/08/2025-15:55:20] [TRT] [E] 1: [a.cpp::F::42] Error Code 1: Serialization (x)",
    "error",
    "1: [a.cpp::F::42] Error Code 1: Serialization (x)",
  ],
  [
    "[09/01/2025-21:22:14] [E] [TRT] ModelImporter.cpp:772: --- Begin node ---",
    "error",
    "ModelImporter.cpp:772: --- Begin node ---",
  ],
  [
    "[W] [TRT] Tactic Device request: 414MB Available: 216MB.",
    "warning",
    "Tactic Device request: 414MB Available: 216MB.",
  ],
  ["[I] Loaded engine size: 50 MiB", "info", "Loaded engine size: 50 MiB"],
  [
    "[TensorRT] ERROR: 3: getPluginCreator could not find plugin: X version: 1",
    "error",
    "3: getPluginCreator could not find plugin: X version: 1",
  ],
  ["[SERVING][25-12-22 10:26:14][TRT] BuilderFlag::kTF32 is set", null, "BuilderFlag::kTF32 is set"],
  [
    "[SERVING][25-12-22 10:26:14][TRT] 2: [helpers.h::smVerHex2Dig::694] Error Code 2: Internal Error (y)",
    "error",
    "2: [helpers.h::smVerHex2Dig::694] Error Code 2: Internal Error (y)",
  ],
  [
    "[helpers.h::smVerHex2Dig::694] Error Code 2: Internal Error (y)",
    "error",
    "[helpers.h::smVerHex2Dig::694] Error Code 2: Internal Error (y)",
  ],
  ['[6] creator && "Plugin not found"', null, '[6] creator && "Plugin not found"'],
  ["Unable to determine GPU memory usage", null, "Unable to determine GPU memory usage"],
  ["", null, ""],
];

for (const [line, severity, text] of LINES) {
  Deno.test(`log line: ${JSON.stringify(line.slice(0, 60))} is ${severity ?? "of unknown severity"}`, () => {
    assert.deepEqual(readLogLine(line), { severity, text });
  });
}

Deno.test("log line: a line that begins with a tab continues the message before, up to the limit", () => {
  const lines = readLogLines([
    "\tlost beginning",
    "2026-11-22T18:09:24.805059Z ERROR rtx-1.7.1: a",
    "\tb",
    "c",
    ...Array(3000).fill("\tmore"),
  ]);
  assert.deepEqual(lines.map((line) => line.text.slice(0, 16)), ["lost beginning", "a\nb", "c\nmore\nmore\nmore"]);
  assert.ok(lines.every((line) => line.text.length <= TEXT_LIMIT));
});

const MESSAGES: readonly (readonly [string, Partial<ReturnType<typeof readErrorMessage>>])[] = [
  [
    "2: [helpers.h::smVerHex2Dig::694] Error Code 2: Internal Error (Assertion major >= 0 && major < 10 failed. )",
    {
      file: "helpers.h",
      function: "smVerHex2Dig",
      line: 694,
      code: 2,
      category: "Internal Error",
      detail: "Assertion major >= 0 && major < 10 failed",
      api: null,
    },
  ],
  [
    "IBuilder::buildSerializedNetwork: Error Code 4: API Usage Error (Network must have at least one output. In validate at /_src/optimizer/api/network.cpp:3810)",
    {
      api: "IBuilder::buildSerializedNetwork",
      code: 4,
      category: "API Usage Error",
      detail: "Network must have at least one output.",
    },
  ],
  [
    "createInferRuntime: Error Code 6: API Usage Error (CUDA initialization failure with error: 35 In checkCudaInstallation at /_src/runtime/dispatch/runtime.cpp:960)",
    { api: "createInferRuntime", code: 6, detail: "CUDA initialization failure with error: 35" },
  ],
  ["Unexpected exception bad optional access", {
    api: null,
    code: null,
    category: null,
    detail: "Unexpected exception bad optional access",
  }],
];

for (const [text, parts] of MESSAGES) {
  Deno.test(`log line: the parts of ${JSON.stringify(text.slice(0, 50))}`, () => {
    const read = readErrorMessage(text);
    for (const [name, value] of Object.entries(parts)) assert.equal(read[name as keyof typeof read], value, name);
  });
}

const NODES: readonly (readonly [string, readonly string[], string | null])[] = [
  [
    "TensorRT-RTX 1.7",
    [
      'ModelImporter.cpp:140: While parsing node number 1 [EfficientNMS_TRT -> "num"]:',
      "ModelImporter.cpp:142: --- Begin node ---\nNode name: /end/EfficientNMS_TRT",
      "ModelImporter.cpp:143: --- End node ---",
    ],
    'node 1 "/end/EfficientNMS_TRT" (EfficientNMS_TRT)',
  ],
  [
    "TensorRT-RTX 1.4",
    [
      'While parsing node number 7 [Resize -> "up"]:',
      '--- Begin node ---\ninput: "x"\nattribute {\n  name: "mode"\n}\nname: "/up/Resize"\nop_type: "Resize"',
      "--- End node ---",
    ],
    'node 7 "/up/Resize" (Resize)',
  ],
  [
    "trtexec, a line each",
    [
      'ModelImporter.cpp:771: While parsing node number 1026 [SplitToSequence -> "1661"]:',
      "ModelImporter.cpp:772: --- Begin node ---",
      'ModelImporter.cpp:773: input: "1660"',
      'output: "1661"',
      'name: "SplitToSequence_1026"',
      "ModelImporter.cpp:774: --- End node ---",
    ],
    'node 1026 "SplitToSequence_1026" (SplitToSequence)',
  ],
  [
    "a node without a name",
    ['While parsing node number 3 [Foo -> "out"]:', "--- End node ---", 'name: "another"'],
    'node 3 "out" (Foo)',
  ],
  ["a node without an output", ["While parsing node number 0 [Foo]:"], "node 0 (Foo)"],
  ["the parser's own words", [
    "In node 12 with name: /a/b and operator: Fake_2 (checkFallbackPluginImporter): INVALID_NODE: x",
  ], 'node 12 "/a/b" (Fake_2)'],
  ["a fused node", [
    "10: [optimizer.cpp::computeCosts::2033] Error Code 10: Internal Error (Could not find any implementation for node Conv_119 + Add_182.)",
  ], 'node "Conv_119 + Add_182"'],
  ["a foreign node", [
    "Error Code 10: Internal Error (Could not find any implementation for node {ForeignNode[/a...ONNXTRT_squeezeTensor_615]}. In computeCosts at /_src/x.cpp:1)",
  ], 'node "{ForeignNode[/a...ONNXTRT_squeezeTensor_615]}"'],
  ["a node without workspace", [
    "Could not find any implementation for node /model.0/conv/Conv due to insufficient workspace.",
  ], 'node "/model.0/conv/Conv"'],
  ["no node", ["Network must have at least one output."], null],
];

for (const [what, texts, expected] of NODES) {
  Deno.test(`log line: the node named by ${what}`, () => {
    const node = nodeAt(texts, 0);
    assert.equal(node === null ? null : nodeText(node), expected);
  });
}
