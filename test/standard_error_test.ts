import assert from "node:assert/strict";

const MODULE = new URL("../src/standard_error.ts", import.meta.url).href;

/** A process that writes 4 MB and then waits for a line on standard input. */
const SCRIPT = `
  import { flushStandardError, neverWaitForReader, writeStandardError } from ${JSON.stringify(MODULE)};
  neverWaitForReader();
  for (let line = 0; line < 4000; line++) writeStandardError(\`\${line} \${"x".repeat(1000)}\\n\`);
  console.log("written");
  await Deno.stdin.read(new Uint8Array(1));
  for (let i = 0; i < 20; i++) await flushStandardError();
  writeStandardError("the last line\\n");
  await flushStandardError();
`;

Deno.test("standard error: a process goes on while nobody reads, and tells later what was lost", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "data:application/typescript," + encodeURIComponent(SCRIPT)],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const said = child.stdout.getReader();
  const { value } = await said.read();
  assert.equal(new TextDecoder().decode(value), "written\n", "before anybody read the 4 MB");
  await said.cancel();
  const errors = new Response(child.stderr).text();
  const input = child.stdin.getWriter();
  await input.write(new Uint8Array(1));
  await input.close();
  assert.equal((await child.status).code, 0);
  const lines = (await errors).trimEnd().split("\n");
  assert.equal(lines[0]!.split(" ")[0], "0");
  assert.equal(lines.at(-1), "the last line");
  const lost = Number(/^trtd: (\d+) messages were lost/.exec(lines.at(-2)!)![1]);
  assert.equal(lost + lines.length - 2, 4000, "every line was written or counted");
});
