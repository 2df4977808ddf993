import assert from "node:assert/strict";
import { TrtdError } from "../../src/errors.ts";
import { readModel } from "../../src/onnx/read.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { BAD_MODELS, goodModel, nested } from "./bad_models.ts";
import { floatTensor, model, node, value } from "./build_model.ts";

function refusal(bytes: Uint8Array): TrtdError {
  try {
    readModel(bytes);
  } catch (thrown) {
    assert.ok(thrown instanceof TrtdError, String(thrown));
    return thrown;
  }
  assert.fail("The model was accepted");
}

for (const { title, code, bytes, says } of BAD_MODELS) {
  Deno.test(`bad model: ${title} gives ${code}`, () => {
    const error = refusal(bytes());
    assert.equal(error.code, code, error.message);
    if (says !== undefined) assert.match(error.message, says);
    assert.match(error.message, /^\P{C}{1,600}$/u);
  });
}

Deno.test("bad model: the rows' parent is a good model", () => {
  assert.equal(readModel(writeModel(goodModel())).graph.node.length, 5);
});

Deno.test("bad model: every cut before the graph's end is told as truncated", () => {
  const bytes = writeModel(goodModel());
  const graphEnd = writeModel({ ...goodModel(), opset_import: [], metadata_props: [] }).length;
  assert.ok(graphEnd > 500 && graphEnd < bytes.length);
  for (let length = 1; length < graphEnd; length++) {
    assert.equal(refusal(bytes.subarray(0, length)).code, "MODEL_TRUNCATED", `cut at ${length}`);
  }
});

Deno.test("bad model: limits can be set", () => {
  const bytes = writeModel(goodModel());
  const codeWith = (limits: Parameters<typeof readModel>[1]) => {
    try {
      readModel(bytes, limits);
      return null;
    } catch (thrown) {
      return (thrown as TrtdError).code;
    }
  };
  assert.equal(codeWith({ maxBytes: bytes.length }), null);
  assert.equal(codeWith({ maxBytes: bytes.length - 1 }), "MODEL_TOO_LARGE");
  assert.equal(codeWith({ maxDepth: 5 }), "MODEL_NESTING_TOO_DEEP");
  assert.equal(codeWith({ maxItems: 100 }), "MODEL_TOO_LARGE");
});

Deno.test("bad model: thirty graphs within graphs are still read", () => {
  assert.ok(readModel(writeModel(nested(30))).graph);
});

Deno.test("bad model: a million empty nodes are refused before they fill the memory", () => {
  const nodes = new Uint8Array(6_000_000);
  for (let at = 0; at < nodes.length; at += 2) nodes[at] = 0x0a;
  const head = Uint8Array.of(0x08, 0x08, 0x3a, 0x80, 0x9b, 0xee, 0x02);
  const bytes = new Uint8Array(head.length + nodes.length);
  bytes.set(head);
  bytes.set(nodes, head.length);
  const before = Deno.memoryUsage().rss;
  assert.equal(refusal(bytes).code, "MODEL_TOO_LARGE");
  assert.ok(Deno.memoryUsage().rss - before < 400e6);
});

Deno.test("good model: what real exporters write is not refused", () => {
  const input = [value("x", [-1, 3, "height", "width"])];
  const output = [value("y", [])];
  const relu = node("Relu", { inputs: ["x"], outputs: ["y"] });
  const cases = {
    "an axis of -1 (Paddle2ONNX)": () => {
      const one = value("x", [1, 3, 8, 8]);
      one.type!.tensor_type!.shape!.dim[0] = { dim_value: -1 };
      return model({ input: [one], output, node: [relu] });
    },
    "an empty constant (the roi of Resize)": () =>
      model({ input, output, node: [relu], initializer: [floatTensor("roi", [0], [])] }),
    "an initializer that is an input too (IR 3)": () =>
      model(
        { input: [...input, value("w", [1])], output, node: [relu], initializer: [floatTensor("w", [1], [1])] },
        { irVersion: 3 },
      ),
    "nodes out of order": () =>
      model({
        input,
        output,
        node: [
          node("Relu", { inputs: ["middle"], outputs: ["y"] }),
          node("Neg", { inputs: ["x"], outputs: ["middle"] }),
        ],
      }),
    "an optional input and output left out": () =>
      model({ input, output, node: [node("Clip", { inputs: ["x", "", ""], outputs: ["y", ""] })] }),
  };
  for (const [title, make] of Object.entries(cases)) {
    assert.ok(readModel(writeModel(make())).graph, title);
  }
});
