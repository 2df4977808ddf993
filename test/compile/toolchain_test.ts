import assert from "node:assert/strict";
import { join } from "node:path";
import { findToolchain } from "../../scripts/compile_toolchain.ts";

const unreachable = () => Promise.resolve(false);

/** Runs `action` with a repository's folder beside which `shared/tools/denort` is the shell script `tool`. */
async function besideTool(tool: string | null, action: (root: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "trtd-test-" });
  const before = Deno.env.get("DENORT_BIN");
  Deno.env.delete("DENORT_BIN");
  try {
    Deno.mkdirSync(join(folder, "shared", "tools"), { recursive: true });
    Deno.mkdirSync(join(folder, "repository"));
    const path = join(folder, "shared", "tools", "denort");
    if (tool !== null) Deno.writeTextFileSync(path, `#!/bin/sh\n${tool}\n`, { mode: 0o755 });
    await action(join(folder, "repository"));
  } finally {
    if (before !== undefined) Deno.env.set("DENORT_BIN", before);
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("compile toolchain: a reachable host needs nothing else", async () => {
  await besideTool("exit 1", async (root) => {
    const found = await findToolchain("x86_64", root, () => Promise.resolve(true));
    assert.deepEqual([found.deno, found.denort], [Deno.execPath(), null]);
  });
});

Deno.test("compile toolchain: else the tool is asked for the target", async () => {
  await besideTool(`echo 'export DENO26="/t/deno"'; echo "export DENORT_BIN=\\"/t/denort-$2\\""`, async (root) => {
    const found = await findToolchain("aarch64", root, unreachable);
    assert.deepEqual([found.deno, found.denort], ["/t/deno", "/t/denort-aarch64"]);
  });
});

Deno.test("compile toolchain: DENORT_BIN comes before both", async () => {
  await besideTool("exit 1", async (root) => {
    Deno.env.set("DENORT_BIN", "/given/denort");
    try {
      const found = await findToolchain("x86_64", root, () => assert.fail("The host is not asked"));
      assert.equal(found.denort, "/given/denort");
      assert.equal(found.deno, Deno.env.get("DENO26") ?? Deno.execPath());
    } finally {
      Deno.env.delete("DENORT_BIN");
    }
  });
});

for (const tool of ["exit 3", "echo nothing", `echo 'export DENO26="/t/deno"'`]) {
  Deno.test(`compile toolchain: a tool that does "${tool}" is named in the error`, async () => {
    await besideTool(tool, async (root) => {
      await assert.rejects(findToolchain("x86_64", root, unreachable), /shared\/tools\/denort/);
    });
  });
}

Deno.test("compile toolchain: without any way the error names all three", async () => {
  await besideTool(null, async (root) => {
    await assert.rejects(findToolchain("aarch64", root, unreachable), (error: Error) => {
      for (const way of ["dl.deno.land", "shared/tools/denort", "DENORT_BIN"]) assert.ok(error.message.includes(way));
      return true;
    });
  });
});
