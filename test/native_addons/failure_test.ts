import assert from "node:assert/strict";
import { ERRORS, TrtdError } from "../../src/errors.ts";
import { cacheFailure, loadFailure, unpackedLoadFailure } from "../../src/native/failure.ts";

/** What Deno 2.6 and 2.9 throw for these errno values: a code, or only the number in the message. */
const FAILURES: readonly { thrown: unknown; says: RegExp }[] = [
  { thrown: Object.assign(new Error("x (os error 30)"), { code: "EROFS" }), says: /is on a read-only file system/ },
  { thrown: new Error("Read-only file system (os error 30): mkdir '/c'"), says: /is on a read-only file system/ },
  { thrown: Object.assign(new Error("x"), { code: "EACCES" }), says: /is read-only for this user/ },
  { thrown: new Deno.errors.PermissionDenied("Permission denied (os error 13)"), says: /is read-only for this user/ },
  { thrown: new Error("No space left on device (os error 28)"), says: /is full: no space/ },
  { thrown: new Error("Disk quota exceeded (os error 122)"), says: /is full: .* quota/ },
  { thrown: new Error("Not a directory (os error 20)"), says: /is not a folder/ },
  { thrown: new Error("Input/output error (os error 5)"), says: /cannot be used: Input\/output error/ },
  { thrown: "text", says: /cannot be used: text/ },
];

for (const { thrown, says } of FAILURES) {
  Deno.test(`native failures: the cache folder ${says.source}`, () => {
    const error = cacheFailure("/cache", thrown);
    assert.equal(error.code, "CACHE_FOLDER_UNUSABLE");
    assert.match(error.message, /^The cache folder "\/cache" /);
    assert.match(error.message, says);
    assert.equal(error.cause, thrown);
  });
}

Deno.test("native failures: an error that has a code keeps it", () => {
  const error = new TrtdError("NATIVE_LOAD_FAILED", "Detail");
  assert.equal(cacheFailure("/cache", error), error);
  assert.equal(loadFailure("sharp", error), error);
});

Deno.test("native failures: the loader's own message is kept, with the remedy of the table", () => {
  const loader = new Error("/lib/libstdc++.so.6: version `GLIBCXX_3.4.30' not found\n");
  const error = loadFailure("sharp", loader);
  assert.equal(error.code, "NATIVE_LOAD_FAILED");
  assert.equal(error.message, 'Loading "sharp" failed: /lib/libstdc++.so.6: version `GLIBCXX_3.4.30\' not found');
  assert.equal(error.remedy, ERRORS.NATIVE_LOAD_FAILED.remedy);
});

Deno.test("native failures: a path that no longer exists is judged by the loader's message", () => {
  const refused = new Error("/none/a.node: failed to map segment from shared object");
  assert.equal(unpackedLoadFailure("sharp", "/none/a.node", refused).code, "CACHE_FOLDER_UNUSABLE");
  assert.match(unpackedLoadFailure("sharp", "/none/a.node", refused).message, /noexec/);
  const other = new Error("/none/a.node: wrong ELF class: ELFCLASS32");
  assert.equal(unpackedLoadFailure("sharp", "/none/a.node", other).code, "NATIVE_LOAD_FAILED");
});

Deno.test("native failures: a mount that is not noexec is not blamed", () => {
  const file = Deno.makeTempFileSync();
  try {
    const error = unpackedLoadFailure("sharp", file, new Error(`${file}: file too short`));
    assert.equal(error.code, "NATIVE_LOAD_FAILED");
  } finally {
    Deno.removeSync(file);
  }
});
