import assert from "node:assert/strict";
import { type Candidate, chooseTensorRt } from "../../../src/tensorrt/discovery/discovery_choice.ts";
import { versionFromText } from "../../../src/tensorrt/versions.ts";

function candidate(version: string, rest: Partial<Candidate> = {}): Candidate {
  return {
    path: `/${version}`,
    product: "tensorrt",
    kind: "full",
    version: versionFromText(version),
    parser: true,
    origin: "usual",
    via: "usual folder",
    refusal: null,
    ...rest,
  };
}

const named = { origin: "named", via: "--tensorrt" } as const;
const python = { origin: "python", via: "VIRTUAL_ENV" } as const;
const loader = { origin: "loader", via: "LD_LIBRARY_PATH" } as const;
const rtx = { product: "tensorrt-rtx" } as const;

Deno.test("choice: the best usable library is taken, with a reason", () => {
  const cases: [name: string, candidates: Candidate[], index: number | null, reason: RegExp][] = [
    ["nothing", [], null, /^No TensorRT was found$/],
    ["one", [candidate("10.3")], 0, /^TensorRT 10\.3\.0 is used: the only one found$/],
    ["named goes first", [candidate("10.3", loader), candidate("8.6", named)], 1, /the one that --tensorrt names/],
    ["the loader before Python", [candidate("11.1", python), candidate("10.3", loader)], 1, /LD_LIBRARY_PATH, before/],
    ["the newest of a place", [candidate("10.3"), candidate("10.16"), candidate("8.6")], 1, /the newest there/],
    ["TensorRT before RTX", [candidate("1.7", rtx), candidate("10.3")], 1, /TensorRT goes before TensorRT-RTX/],
    [
      "a builder before a runtime",
      [candidate("11.4", { ...loader, kind: "lean" }), candidate("1.7", { ...rtx, ...python })],
      1,
      /can build engines/,
    ],
    ["a parser counts", [candidate("11.4", { parser: false }), candidate("8.6")], 1, /can build engines/],
    [
      "refused ones are passed",
      [candidate("11.1", { refusal: "No" }), candidate("10.3")],
      1,
      /only one that can be used/,
    ],
    [
      "all refused",
      [candidate("11.1", { refusal: "No" }), candidate("10.3", { refusal: "Never" })],
      null,
      /^None of 2 found can be used$/,
    ],
  ];
  for (const [name, candidates, index, reason] of cases) {
    const choice = chooseTensorRt(candidates);
    assert.equal(choice.index, index, name);
    assert.match(choice.reason, reason, name);
  }
});

Deno.test("choice: where a place is named nothing else is taken, and the reason says so", () => {
  const choice = chooseTensorRt([candidate("10.3"), candidate("8.6", { ...named, refusal: "Too old" })], true);
  assert.deepEqual(choice, {
    index: null,
    reason: "None of 1 found can be used where --tensorrt points",
    passed: [{ index: 1, reason: "Too old" }],
  });
});

Deno.test("choice: what was passed over is told, best first", () => {
  const { passed, index } = chooseTensorRt([
    candidate("8.6", { refusal: "Old" }),
    candidate("10.16"),
    candidate("11.1", { ...loader, refusal: "Broken" }),
  ]);
  assert.equal(index, 1);
  assert.deepEqual(passed, [{ index: 2, reason: "Broken" }]);
});
