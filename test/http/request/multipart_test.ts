import assert from "node:assert/strict";
import fc from "fast-check";
import { TrtdError } from "../../../src/errors.ts";
import { boundaryFrom, splitMultipart } from "../../../src/http/request/multipart.ts";
import { type ReferencePart, referenceSplit } from "./multipart_reference.ts";

const BOUNDARY = "x-y";
const RUNS = { numRuns: 10_000, seed: 20261122 };

const bytesOf = (latin1: string) => Uint8Array.from(latin1, (char) => char.charCodeAt(0));
const textOf = (bytes: Uint8Array) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");

function split(body: string, boundary = BOUNDARY): ReferencePart[] | null {
  try {
    return splitMultipart(bytesOf(body), boundary).map(({ content, ...rest }) => ({
      ...rest,
      content: textOf(content),
    }));
  } catch (error) {
    if (error instanceof TrtdError && error.code === "MULTIPART_INVALID") return null;
    throw error;
  }
}

/** Pieces from which bodies are made that almost are, or contain, boundaries and headers. */
const FRAGMENT = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom("\r\n", "\r", "\n", "--", "-", `--${BOUNDARY}`, `\r\n--${BOUNDARY}`, BOUNDARY),
  },
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      `--${BOUNDARY}\r\n`,
      `\r\n--${BOUNDARY}\r\n`,
      `\r\n--${BOUNDARY}--\r\n`,
      `\r\n--${BOUNDARY} \t\r\n`,
      "\r\n\r\n",
      `--${BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n`,
      `\r\n--${BOUNDARY}\r\nContent-Disposition: form-data; name=a\r\nContent-Type: Text/Plain\r\n\r\n`,
      `\r\n--${BOUNDARY}\r\nContent-Disposition: form-data; name="a\\"b%22\\\\"; x=1; name=c\r\n`,
      'Content-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n',
      "content-disposition:form-data;name=a\r\n",
      'Content-Disposition: form-data; name="a\\"b%22\\\\"; x=1; name=c\r\n',
      "Content-Disposition: form-data; filename=only\r\n",
      'Content-Disposition: form-data; name="open\r\n',
      "Content-Disposition: attachment; name=a\r\n",
      "Content-Type: image/JPEG; q=1\r\n",
      "Content-Transfer-Encoding: base64\r\n",
      "Content-Transfer-Encoding: Binary\r\n",
      "no colon\r\n",
      ": no name\r\n",
    ),
  },
  { weight: 2, arbitrary: fc.uint8Array({ maxLength: 12 }).map(textOf) },
);

Deno.test("multipart: any body is split, or refused, as the reference does it", () => {
  let accepted = 0;
  fc.assert(
    fc.property(fc.array(FRAGMENT, { maxLength: 14 }), fc.boolean(), (fragments, closed) => {
      const body = fragments.join("") + (closed ? `\r\n--${BOUNDARY}--` : "");
      const expected = referenceSplit(body, BOUNDARY);
      if (expected !== null && expected.length > 0) accepted++;
      assert.deepEqual(split(body), expected);
    }),
    RUNS,
  );
  assert.ok(accepted > 100, `only ${accepted} of the bodies had parts`);
});

Deno.test("multipart: what a client puts into a form comes out of it", () => {
  const content = fc.array(FRAGMENT, { maxLength: 10 }).map((pieces) => pieces.join(""))
    .filter((text) => !`\r\n${text}\r\n--`.includes(`\r\n--${BOUNDARY}`));
  const word = fc.string({ unit: fc.constantFrom(..."abz09 ;=.-_'"), maxLength: 12 });
  const part = fc.record({
    name: word,
    filename: fc.option(word),
    type: fc.option(fc.constantFrom("image/jpeg", "image/png", "application/octet-stream")),
    content,
  }, { noNullPrototype: true });
  fc.assert(
    fc.property(fc.array(part, { maxLength: 5 }), content, content, (parts, preamble, epilogue) => {
      const body = (preamble === "" ? "" : `${preamble}\r\n`) + parts.map(({ name, filename, type, content }) =>
        `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"` +
        (filename === null ? "" : `; filename="${filename}"`) + "\r\n" +
        (type === null ? "" : `Content-Type: ${type}\r\n`) + `\r\n${content}\r\n`
      ).join("") + `--${BOUNDARY}--\r\n${epilogue}`;
      assert.deepEqual(split(body), parts);
    }),
    RUNS,
  );
});

Deno.test("multipart: cutting a form at any byte is refused, never misread", () => {
  const body = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="image"\r\n\r\nabc\r\n--${BOUNDARY}--\r\n`;
  const whole = body.indexOf(`${BOUNDARY}--`, 5) + BOUNDARY.length + 2;
  for (let length = 0; length < body.length; length++) {
    assert.equal(split(body.slice(0, length)) !== null, length >= whole, `cut at ${length}`);
  }
});

Deno.test("multipart: a form of too many parts or too long headers is refused", () => {
  const part = `--${BOUNDARY}\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n`;
  assert.equal(split(part.repeat(32) + `--${BOUNDARY}--`)!.length, 32);
  assert.equal(split(part.repeat(33) + `--${BOUNDARY}--`), null);
  const long = (count: number) =>
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name=a\r\nX: ${"x".repeat(count)}\r\n\r\n\r\n--${BOUNDARY}--`;
  assert.equal(split(long(8000))!.length, 1);
  assert.equal(split(long(9000)), null);
});

Deno.test("multipart: the content is a view of the body, not a copy", () => {
  const body = bytesOf(`--${BOUNDARY}\r\nContent-Disposition: form-data; name=a\r\n\r\nabc\r\n--${BOUNDARY}--`);
  assert.equal(splitMultipart(body, BOUNDARY)[0]!.content.buffer, body.buffer);
});

Deno.test("multipart: the boundary is read as RFC 2046 writes it", () => {
  const cases: [string, string | null | "invalid"][] = [
    ["multipart/form-data; boundary=abc", "abc"],
    ['Multipart/Form-Data;charset=utf-8; Boundary="a b\'()+_,-./:=?c"', "a b'()+_,-./:=?c"],
    ["multipart/form-data; boundary=a; boundary=b", "a"],
    ["image/jpeg", null],
    ["multipart/mixed; boundary=abc", null],
    ["multipart/form-data", "invalid"],
    ["multipart/form-data; boundary=", "invalid"],
    ['multipart/form-data; boundary=""', "invalid"],
    ['multipart/form-data; boundary="a "', "invalid"],
    [`multipart/form-data; boundary=${"a".repeat(70)}`, "a".repeat(70)],
    [`multipart/form-data; boundary=${"a".repeat(71)}`, "invalid"],
    ["multipart/form-data; boundary=a\u00e9", "invalid"],
  ];
  for (const [type, expected] of cases) {
    if (expected === "invalid") assert.throws(() => boundaryFrom(type), { code: "MULTIPART_INVALID" }, type);
    else assert.equal(boundaryFrom(type), expected, type);
  }
});
