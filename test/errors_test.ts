import assert from "node:assert/strict";
import { type ErrorCode, ERRORS, EXIT, TrtdError, trtdErrorFrom } from "../src/errors.ts";

for (const [code, row] of Object.entries(ERRORS)) {
  Deno.test(`errors: ${code} has a status, a summary and a remedy fit for a user`, () => {
    assert.match(code, /^[A-Z][A-Z_]+$/);
    assert.ok(row.http >= 400 && row.http < 600, String(row.http));
    assert.ok(Object.values(EXIT).includes(row.exit) && row.exit !== EXIT.fine);
    for (const text of [row.summary, row.remedy]) {
      assert.match(text, /^[A-Z]|^trtd/);
      assert.doesNotMatch(text, /\.$/);
    }
    assert.equal(row.retryable && row.http < 500 && row.http !== 408, false, "a client error is not retryable");
  });
}

Deno.test("errors: an error without a code becomes INTERNAL and keeps its cause", () => {
  const cause = new RangeError("Offset is outside the bounds");
  const error = trtdErrorFrom(cause);
  assert.equal(error.code, "INTERNAL");
  assert.equal(error.message, cause.message);
  assert.equal(error.cause, cause);
  assert.equal(trtdErrorFrom(error), error);
  assert.equal(trtdErrorFrom("text").message, "text");
});

Deno.test("errors: the remedy of the table holds unless a better one is given", () => {
  const code: ErrorCode = "USAGE";
  assert.equal(new TrtdError(code, "Detail").remedy, ERRORS[code].remedy);
  assert.equal(new TrtdError(code, "Detail", { remedy: "Other" }).remedy, "Other");
});
