import assert from "node:assert/strict";
import { join } from "node:path";
import { CLANG_VERSION, makePtx, PTX_FILE } from "../../../scripts/make_ptx.ts";

const made = await makePtx();
const checkedIn = await Deno.readTextFile(PTX_FILE);
const ptx = checkedIn.slice(checkedIn.indexOf('R"ptx(') + 6, checkedIn.lastIndexOf(')ptx"'));

function testOr(reason: string | null, name: string, body: () => Promise<void>): void {
  if (reason === null) Deno.test(name, body);
  else Deno.test({ name: `${name} (skipped: ${reason})`, ignore: true, fn: body });
}

testOr(made.status === "made" ? null : made.reason, "ptx: the checked-in text is what the source gives", async () => {
  assert.ok(made.status === "made" && checkedIn === made.text, "run scripts/make_ptx.ts");
  await Promise.resolve();
});

Deno.test("ptx: the text names its compiler, serves every GPU from 5.3 on, and fuses or flushes nothing", () => {
  assert.ok(checkedIn.includes(`clang ${CLANG_VERSION}`));
  assert.match(ptx, /^\.version 6\.0$/m);
  assert.match(ptx, /^\.target sm_53$/m);
  assert.doesNotMatch(ptx, /\b(fma|mad)\.(rn|ftz)|\.ftz\b|\.approx\b/);
  // Without a rounding mode the driver may fuse a product with a sum.
  assert.doesNotMatch(ptx, /\b(add|sub|mul|div)\.f(32|64)/);
  for (const kernel of ["letterbox", "filter", "rank", "overlap", "keep"]) {
    assert.ok(ptx.includes(`.entry trtd_${kernel}(`));
  }
});

async function assembler(): Promise<string | null> {
  try {
    await new Deno.Command("ptxas", { args: ["--version"], stdout: "null", stderr: "null" }).output();
    return null;
  } catch {
    return "ptxas is missing";
  }
}

testOr(await assembler(), "ptx: NVIDIA's assembler takes it for 7.5, 9.0 and 12.0 without spilling", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = join(folder, "kernels.ptx");
    await Deno.writeTextFile(file, ptx);
    for (const target of ["sm_75", "sm_90", "sm_120"]) {
      const args = ["-arch", target, "-v", "-o", join(folder, "kernels.cubin"), file];
      const { code, stderr } = await new Deno.Command("ptxas", { args }).output();
      const text = new TextDecoder().decode(stderr);
      assert.equal(code, 0, text);
      assert.equal(text.match(/ 0 bytes spill stores, 0 bytes spill loads/g)?.length, 5, text);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
