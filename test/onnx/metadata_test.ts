import assert from "node:assert/strict";
import fc from "fast-check";
import { metadataFacts, metadataRecord } from "../../src/onnx/metadata.ts";
import { parseLiteral } from "../../src/onnx/python_literal.ts";

Deno.test("metadata: names are read as Python or JSON writes them", () => {
  const cases: Record<string, string[] | null> = {
    "{0: 'person', 1: 'bicycle'}": ["person", "bicycle"],
    '{0: "driver\'s cab", 1: \'say "hi"\'}': ["driver's cab", 'say "hi"'],
    "{0: 'it\\'s', 1: 'a\\\\b', 2: '\\x41\\u00e9\\U0001f600'}": ["it's", "a\\b", "Aé😀"],
    "{0: 'a', 2: 'c',}": ["a", "class_1", "c"],
    "{1: 'b', 0: 'a'}": ["a", "b"],
    '{"0": "a", "1": "b"}': ["a", "b"],
    "['a', 'b']": ["a", "b"],
    '["a", "b"]': ["a", "b"],
    "('a', 'b')": ["a", "b"],
    "{0: 'Straße', 1: '人'}": ["Straße", "人"],
    "": null,
    "{}": null,
    "[]": null,
    "{0: 1}": null,
    "{'x': 'a'}": null,
    "{-1: 'a'}": null,
    "{0.5: 'a'}": null,
    "{99999999: 'a'}": null,
    "{0: 'a'": null,
    "{0: 'a'} or __import__('os').system('id')": null,
    "__import__('os').system('id')": null,
    "{0: open('/etc/passwd').read()}": null,
    "[[[[[[[[[[[['a']]]]]]]]]]]]": null,
    "a,b": null,
  };
  for (const [names, labels] of Object.entries(cases)) {
    const facts = metadataFacts({ names });
    assert.deepEqual(facts.labels, labels, names);
    assert.equal(facts.warnings.length, labels === null ? 1 : 0, names);
  }
});

Deno.test("metadata: stride, imgsz and task are read, and a warning tells what is not understood", () => {
  assert.deepEqual(metadataFacts({ stride: "32", imgsz: "[640, 1152]", task: "detect" }), {
    labels: null,
    stride: 32,
    image_size: { height: 640, width: 1152 },
    task: "detect",
    warnings: [],
  });
  assert.equal(metadataFacts({ stride: "[8, 16, 32]" }).stride, 32);
  assert.deepEqual(metadataFacts({ imgsz: "640" }).image_size, { height: 640, width: 640 });
  const odd = metadataFacts({ stride: "-32", imgsz: "[640]", task: " ", names: "?" });
  assert.deepEqual([odd.stride, odd.image_size, odd.task, odd.labels], [null, null, null, null]);
  assert.equal(odd.warnings.length, 4);
});

Deno.test("metadata: keys that JavaScript objects have by themselves are plain keys", () => {
  const record = metadataRecord([
    { key: "__proto__", value: "a" },
    { key: "constructor", value: "b" },
    { key: "constructor", value: "c" },
    {},
  ]);
  assert.deepEqual(Object.entries(record), [["__proto__", "a"], ["constructor", "b"], ["", ""]]);
  assert.deepEqual(metadataFacts({}).warnings, []);
});

Deno.test("python literal: any JSON value is read as JSON.parse reads it", () => {
  const plain = (value: unknown): unknown =>
    value instanceof Map
      ? Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]))
      : Array.isArray(value)
      ? value.map(plain)
      : value;
  fc.assert(
    fc.property(fc.json({ maxDepth: 5, noUnicodeString: false }), (text) => {
      assert.deepEqual(JSON.stringify(plain(parseLiteral(text))), JSON.stringify(JSON.parse(text)));
    }),
    { numRuns: 500, seed: 1 },
  );
});

Deno.test("python literal: any text is read or refused, never thrown about", () => {
  const part = fc.constantFrom(
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "'",
    '"',
    ",",
    ":",
    "\\",
    "0",
    "-1",
    ".",
    "None",
    "a",
    " ",
  );
  fc.assert(
    fc.property(fc.array(part), (parts) => void parseLiteral(parts.join(""))),
    { numRuns: 2000, seed: 1 },
  );
  assert.equal(parseLiteral(" ".repeat(2_000_000)), undefined);
});
