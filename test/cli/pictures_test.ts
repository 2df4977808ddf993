import assert from "node:assert/strict";
import { join } from "node:path";
import { annotatedPaths, findPictures } from "../../src/cli/pictures.ts";
import { TrtdError } from "../../src/errors.ts";

async function inFolder(files: readonly string[], test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "trtd-test-" }));
  try {
    for (const file of files) {
      await Deno.mkdir(join(folder, file, ".."), { recursive: true });
      await Deno.writeTextFile(join(folder, file), "");
    }
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("pictures: files, folders and patterns become one list, each file once", () =>
  inFolder(["b.jpg", "sub/z.PNG", "sub/deep/a.webp", "sub/notes.txt", "c.dat"], async (folder) => {
    const found = await findPictures(["c.dat", "sub", "*.jpg", "b.jpg"], folder);
    assert.deepEqual(found.map(({ name }) => name), ["c.dat", "sub/deep/a.webp", "sub/z.PNG", "b.jpg"]);
    assert.ok(found.every(({ error }) => error === undefined));
  }));

Deno.test("pictures: a name with glob characters that exists is that file", () =>
  inFolder(["a[1].jpg"], async (folder) => {
    assert.deepEqual((await findPictures(["a[1].jpg"], folder)).map(({ path }) => path), [join(folder, "a[1].jpg")]);
  }));

Deno.test("pictures: what names nothing becomes an entry that fails, and the others stay", () =>
  inFolder(["a.jpg", "empty/readme.txt"], async (folder) => {
    const found = await findPictures(["no.jpg", "*.gif", "empty", "a.jpg"], folder);
    assert.deepEqual(found.map(({ error }) => error?.code), [
      "FILE_NOT_FOUND",
      "FILE_NOT_FOUND",
      "FILE_NOT_FOUND",
      undefined,
    ]);
  }));

const pictures = (...paths: string[]) => paths.map((path) => ({ name: path, path }));

Deno.test("pictures: one picture may be annotated into a named file", () => {
  assert.deepEqual(annotatedPaths(pictures("/a/x.png"), "/out/y.jpg", false), ["/out/y.jpg"]);
});

Deno.test("pictures: pictures of one name are annotated into different files", () => {
  assert.deepEqual(annotatedPaths(pictures("/a/x.png", "/b/x.jpg", "/c/x.webp"), "/out", true), [
    "/out/x.jpg",
    "/out/x-2.jpg",
    "/out/x-3.jpg",
  ]);
});

Deno.test("pictures: a folder whose name ends in .jpg is a folder", () => {
  assert.deepEqual(annotatedPaths(pictures("/a/x.png"), "/out.jpg", true), ["/out.jpg/x.jpg"]);
});

Deno.test("pictures: one file for several pictures, or a file of another type, is a usage error", () => {
  for (const [list, out] of [[pictures("/a", "/b"), "/o.jpg"], [pictures("/a"), "/o.png"]] as const) {
    assert.throws(
      () => annotatedPaths(list, out, false),
      (error) => error instanceof TrtdError && error.code === "USAGE",
    );
  }
});
