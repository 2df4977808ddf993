import assert from "node:assert/strict";
import { basename, join } from "node:path";
import type { ErrorCode } from "../../src/errors.ts";
import { TrtdError } from "../../src/errors.ts";
import { readModelFile } from "../../src/models/model_file.ts";
import { findModel, findModelByName, listModels, modelFromPath } from "../../src/models/registry.ts";

/** A folder of models that is removed afterwards. */
async function withModels(
  files: Readonly<Record<string, string | Uint8Array>>,
  run: (folder: string) => Promise<void>,
): Promise<void> {
  const top = await Deno.makeTempDir({ prefix: "trtd-models-" });
  try {
    for (const [path, content] of Object.entries({ "models/.keep": "", ...files })) {
      await Deno.mkdir(join(top, path, ".."), { recursive: true });
      await Deno.writeFile(join(top, path), typeof content === "string" ? new TextEncoder().encode(content) : content);
    }
    await run(join(top, "models"));
  } finally {
    await Deno.remove(top, { recursive: true });
  }
}

const manifest = (fields: Record<string, unknown>) => JSON.stringify({ name: "pets", file: "pets.onnx", ...fields });

async function refused(promise: Promise<unknown>): Promise<TrtdError> {
  try {
    await promise;
  } catch (thrown) {
    assert.ok(thrown instanceof TrtdError, String(thrown));
    return thrown;
  }
  assert.fail("Nothing was thrown");
}

Deno.test("registry: a name is a folder with a manifest", async () => {
  const files = {
    "models/pets/manifest.json": manifest({ labels: ["cat"], score: 0.4 }),
    "models/pets/pets.onnx": "x",
  };
  await withModels(files, async (folder) => {
    assert.deepEqual(await findModel("pets", folder), {
      name: "pets",
      path: join(folder, "pets", "pets.onnx"),
      manifest: { name: "pets", file: "pets.onnx", labels: ["cat"], score: 0.4 },
    });
  });
});

Deno.test("registry: names that are no names are refused before a file is touched", async () => {
  const names = [
    "..",
    ".",
    "",
    "../pets",
    "a/b",
    "a\\b",
    "/etc/passwd",
    "%2e%2e%2fpets",
    "%252e%252e",
    "Pets",
    "pets\0",
    "pets ",
    "pets\n",
    "рets",
    "-pets",
    ".pets",
    "a".repeat(65),
    "pets?",
    "con:",
  ];
  await withModels({ "pets/manifest.json": manifest({}), "pets/pets.onnx": "x" }, async (folder) => {
    for (const name of names) {
      for (const find of [findModelByName, findModel]) {
        const error = await refused(find(name, folder));
        assert.equal(error.code, "MODEL_NAME_INVALID", name);
        assert.match(error.message, /^\P{Cc}+$/u);
      }
    }
  });
});

Deno.test("registry: an unknown name is told, also when the folder of models is missing", async () => {
  await withModels({ "models/empty/notes.txt": "" }, async (folder) => {
    assert.equal((await refused(findModel("nobody", folder))).code, "MODEL_NOT_FOUND");
    assert.equal((await refused(findModel("empty", folder))).code, "MODEL_NOT_FOUND");
    assert.equal((await refused(findModel("nobody", join(folder, "none")))).code, "MODEL_NOT_FOUND");
  });
});

Deno.test("registry: a manifest's mistake names the field", async () => {
  const cases: Record<string, [text: string, says: RegExp]> = {
    "not JSON": ["{", /is not JSON/],
    "a list": ["[]", /expected object/],
    "no file": ['{"name": "pets"}', /Field "file"/],
    "another name": [manifest({ name: "birds" }), /Field "name".*must be "pets"/],
    "a bad name": [manifest({ name: "../x" }), /Field "name"/],
    "a file elsewhere": [manifest({ file: "../pets.onnx" }), /Field "file"/],
    "an absolute file": [manifest({ file: "/etc/passwd" }), /Field "file"/],
    "a file that is no model": [manifest({ file: "pets.pt" }), /Field "file"/],
    "a file that is missing": [manifest({ file: "birds.onnx" }), /Field "file".*no regular file/],
    "labels that are numbers": [manifest({ labels: ["a", 1] }), /Field "labels.1"/],
    "no labels": [manifest({ labels: [] }), /Field "labels"/],
    "a score over 1": [manifest({ score: 1.5 }), /Field "score"/],
    "a score that is text": [manifest({ score: "0.5" }), /Field "score"/],
    "a max of 0": [manifest({ max: 0 }), /Field "max"/],
    "a misspelt key": [manifest({ lables: ["a"] }), /Field "lables"/],
  };
  for (const [title, [text, says]] of Object.entries(cases)) {
    await withModels({ "models/pets/manifest.json": text, "models/pets/pets.onnx": "x" }, async (folder) => {
      const error = await refused(findModel("pets", folder));
      assert.equal(error.code, "MANIFEST_INVALID", title);
      assert.match(error.message, says, title);
      assert.ok(error.message.includes(join("pets", "manifest.json")), title);
    });
  }
});

Deno.test("registry: links out of the folder of models are refused, links within are not", async () => {
  const files = {
    "secret/manifest.json": manifest({ name: "linked" }),
    "secret/pets.onnx": "x",
    "models/pets/manifest.json": manifest({}),
    "models/pets/pets.onnx": "x",
    "models/file/manifest.json": manifest({ name: "file" }),
    "models/text/pets.onnx": "x",
    "models/within/manifest.json": manifest({ name: "within" }),
    "models/dangling/manifest.json": manifest({ name: "dangling" }),
  };
  await withModels(files, async (folder) => {
    await Deno.symlink("../secret", join(folder, "linked"));
    await Deno.symlink("../../secret/pets.onnx", join(folder, "file", "pets.onnx"));
    await Deno.symlink("../../secret/manifest.json", join(folder, "text", "manifest.json"));
    await Deno.symlink("../pets/pets.onnx", join(folder, "within", "pets.onnx"));
    await Deno.symlink("nowhere.onnx", join(folder, "dangling", "pets.onnx"));
    const codes: Record<string, ErrorCode> = {
      linked: "MODEL_NOT_FOUND",
      text: "MODEL_NOT_FOUND",
      file: "MANIFEST_INVALID",
      dangling: "MANIFEST_INVALID",
    };
    for (const [name, code] of Object.entries(codes)) {
      assert.equal((await refused(findModel(name, folder))).code, code, name);
    }
    assert.equal((await findModel("within", folder)).name, "within");
    assert.equal((await findModel("pets", join(folder, "..", "models"))).name, "pets");
  });
});

Deno.test("registry: a path is taken with the manifest beside it only when that names the file", async () => {
  const files = {
    "models/pets/manifest.json": manifest({ labels: ["cat"] }),
    "models/pets/pets.onnx": "x",
    "models/pets/Other Model (v2).ONNX": "x",
    "models/broken/manifest.json": "{",
    "models/broken/a.onnx": "x",
    "models/alone/YOLOv8n_640.onnx": "x",
    "models/alone/---.onnx": "x",
  };
  await withModels(files, async (folder) => {
    const named = async (path: string) => (await modelFromPath(join(folder, path))).manifest;
    assert.deepEqual(await named("pets/pets.onnx"), { name: "pets", file: "pets.onnx", labels: ["cat"] });
    assert.deepEqual(await named("pets/Other Model (v2).ONNX"), {
      name: "other-model-v2",
      file: "Other Model (v2).ONNX",
    });
    assert.equal((await named("alone/YOLOv8n_640.onnx")).name, "yolov8n_640");
    assert.equal((await named("alone/---.onnx")).name, "model");
    assert.equal((await findModel("pets/pets.onnx", "/nowhere", folder)).path, join(folder, "pets/pets.onnx"));
    assert.equal((await refused(named("broken/a.onnx"))).code, "MANIFEST_INVALID");
    assert.equal((await refused(named("none.onnx"))).code, "FILE_NOT_FOUND");
    await Deno.mkdir(join(folder, "folder.onnx"));
    assert.equal((await refused(named("folder.onnx"))).code, "FILE_UNREADABLE");
  });
});

Deno.test("registry: the list has every good model by name and tells of the others", async () => {
  const files = {
    "models/zebra/manifest.json": manifest({ name: "zebra" }),
    "models/zebra/pets.onnx": "x",
    "models/ant/manifest.json": manifest({ name: "ant" }),
    "models/ant/pets.onnx": "x",
    "models/bad/manifest.json": "{",
    "models/trt/engine": "x",
    "models/UPPER/manifest.json": manifest({}),
  };
  await withModels(files, async (folder) => {
    const problems: string[] = [];
    const names = (await listModels(folder, (name, { code }) => problems.push(`${name} ${code}`)))
      .filter(({ path }) => path.startsWith(folder)).map(({ name }) => name);
    assert.deepEqual(names, ["ant", "zebra"]);
    assert.deepEqual(problems.filter((problem) => problem.startsWith("bad")), ["bad MANIFEST_INVALID"]);
    assert.ok(Array.isArray(await listModels(join(folder, "none"))));
  });
});

Deno.test("model file: what is not a readable file of allowed size is refused before it is read", async () => {
  await withModels({ "models/a.onnx": "12345" }, async (folder) => {
    const path = join(folder, "a.onnx");
    assert.equal((await readModelFile(path)).length, 5);
    assert.equal((await readModelFile(path, 5)).length, 5);
    assert.equal((await refused(readModelFile(path, 4))).code, "MODEL_TOO_LARGE");
    assert.equal((await refused(readModelFile(join(folder, "b.onnx")))).code, "FILE_NOT_FOUND");
    assert.equal((await refused(readModelFile(folder))).code, "FILE_UNREADABLE");
    await new Deno.Command("mkfifo", { args: [join(folder, "fifo.onnx")] }).output();
    assert.equal((await refused(readModelFile(join(folder, "fifo.onnx")))).code, "FILE_UNREADABLE");
    await Deno.truncate(path, 3 * 2 ** 30);
    const error = await refused(readModelFile(path));
    assert.equal(error.code, "MODEL_TOO_LARGE");
    assert.match(error.message, /3221225472 bytes/);
    assert.equal(basename(path), "a.onnx");
  });
});
