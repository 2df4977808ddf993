import assert from "node:assert/strict";
import { openBundledShim } from "../../src/native/shim.ts";
import { TrtdError } from "../../src/errors.ts";

const unpacked = () => [{ path: "/cache/native/0/libtrtd/libtrtd.so", addon: null }];

Deno.test("bundled libtrtd: it is opened where it was unpacked", () => {
  assert.equal(openBundledShim((path) => path, unpacked), "/cache/native/0/libtrtd/libtrtd.so");
});

Deno.test("bundled libtrtd: an executable without it says so, and what helps", () => {
  const open = () => assert.fail("There is nothing to open");
  assert.throws(() => openBundledShim(open, () => []), (error) => {
    assert.ok(error instanceof TrtdError);
    assert.equal(error.code, "NATIVE_LOAD_FAILED");
    assert.match(error.message, /without libtrtd/);
    assert.match(error.remedy, /TRTD_SHIM/);
    return true;
  });
});

Deno.test("bundled libtrtd: the loader's message is kept", () => {
  const open = () => {
    throw new Error("undefined symbol: x");
  };
  assert.throws(() => openBundledShim(open, unpacked), (error) => {
    assert.ok(error instanceof TrtdError);
    assert.deepEqual([error.code, error.message], [
      "NATIVE_LOAD_FAILED",
      'Loading "libtrtd" failed: undefined symbol: x',
    ]);
    return true;
  });
});
