import assert from "node:assert/strict";
import { resolve } from "node:path";
import { REVOKED, type Role } from "../../src/serving/permissions.ts";
import { ABILITIES } from "./role_abilities.ts";

const PROGRAM = resolve(import.meta.dirname!, "permission_abilities.ts");

for (const role of Object.keys(REVOKED) as Role[]) {
  Deno.test(`permissions: a ${role} keeps what it has open and can no longer open what it gave up`, async () => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", "--no-prompt", "--quiet", PROGRAM, role],
      stdin: "null",
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    assert.deepEqual(JSON.parse(new TextDecoder().decode(stdout)), ABILITIES[role]);
  });
}
