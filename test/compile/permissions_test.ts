import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { findToolchain } from "../../scripts/compile_toolchain.ts";
import { REVOKED, type Role } from "../../src/serving/permissions.ts";
import { ABILITIES } from "../serving/role_abilities.ts";
import { CANNOT_COMPILE, ROOT } from "./compiled_file.ts";

const PROGRAM = resolve(import.meta.dirname!, "../serving/permission_abilities.ts");

Deno.test({
  name: `compiled: each role gives up its permissions and keeps what it has open${CANNOT_COMPILE}`,
  ignore: CANNOT_COMPILE !== "",
  async fn() {
    const { deno, denort } = await findToolchain(Deno.build.arch, ROOT);
    const folder = await Deno.makeTempDir({ prefix: "trtd-permissions-" });
    const file = join(folder, "abilities");
    try {
      const made = await new Deno.Command(deno, {
        args: [
          ...["compile", "--quiet", "--allow-all", "--no-prompt", "--no-check", "--no-code-cache"],
          ...["--output", file, PROGRAM],
        ],
        cwd: ROOT,
        env: {
          ...(denort === null ? {} : { DENORT_BIN: denort }),
          DENO_TLS_CA_STORE: Deno.env.get("DENO_TLS_CA_STORE") ?? "system,mozilla",
        },
      }).output();
      assert.ok(made.success, new TextDecoder().decode(made.stderr));
      for (const role of Object.keys(REVOKED) as Role[]) {
        const { code, stdout, stderr } = await new Deno.Command(file, { args: [role], stdin: "null" }).output();
        assert.equal(code, 0, new TextDecoder().decode(stderr));
        assert.deepEqual(JSON.parse(new TextDecoder().decode(stdout)), ABILITIES[role], role);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
