import assert from "node:assert/strict";
import { join } from "node:path";
import { nativeTest, shimAndFakes } from "./children.ts";

const SCRIPT = join(import.meta.dirname!, "..", "..", "scripts", "build_shim.ts");

async function build(args: readonly string[], env: Record<string, string> = {}) {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", SCRIPT, ...args],
    env,
  })
    .output();
  return { code, text: new TextDecoder().decode(stderr) };
}

Deno.test("build: without a compiler it says what is missing and that the CPU path works", async () => {
  const { code, text } = await build(["--force"], { PATH: "/nonexistent" });
  assert.equal(code, 3);
  assert.match(
    text,
    /^libtrtd cannot be built: cmake is missing \(on Debian and Ubuntu: apt install .*The CPU path works without it\n$/,
  );
});

nativeTest("build: a compiler that CXX names and that is not there is named", async () => {
  const { code, text } = await build(["--force"], { CXX: "/nonexistent/c++" });
  assert.equal(code, 3);
  assert.match(text, /the compiler "\/nonexistent\/c\+\+" that CXX names is missing/);
});

nativeTest("build: nothing is done when no source changed", async () => {
  const { shim } = shimAndFakes();
  const before = await Deno.stat(shim);
  const { code, text } = await build(["--fakes"]);
  assert.equal(code, 0);
  assert.match(text, /^Up to date:/);
  assert.equal((await Deno.stat(shim)).mtime?.getTime(), before.mtime?.getTime());
});

nativeTest("build: the library is under 2 MB and links nothing of NVIDIA and no C++ runtime", async () => {
  const { shim } = shimAndFakes();
  assert.ok((await Deno.stat(shim)).size < 2 << 20);
  const { stdout } = await new Deno.Command("readelf", { args: ["-d", shim] }).output();
  const needed = [...new TextDecoder().decode(stdout).matchAll(/\(NEEDED\).*\[(.*?)\]/g)].map((match) => match[1]!);
  assert.ok(needed.length > 0);
  assert.ok(needed.every((name) => /^(lib(c|m|dl)\.so\.\d|ld-linux)/.test(name)), needed.join());
});

Deno.test("build: an unknown argument is a mistake of usage", async () => {
  const { code, text } = await build(["--fast"]);
  assert.equal(code, 2);
  assert.match(text, /Unknown argument "--fast"/);
});
