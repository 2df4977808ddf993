import assert from "node:assert/strict";
import { buildRelease, RELEASE_ARCHITECTURES } from "../../scripts/build_shim.ts";
import { abiFiles, parseHeader } from "../../scripts/check_abi.ts";
import { fakeSet, scenario, skipReason } from "./children.ts";
import { FAMILIES } from "./family_cases.ts";
import type { Whole } from "./whole_scenario.ts";

/** Highest glibc that a release may need: JetPack 5 has 2.31, Red Hat 8 has 2.28. */
const OLDEST_GLIBC = [2, 28] as const;

async function readelf(args: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout, success } = await new Deno.Command("readelf", { args: [...args], stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

const wanted = Deno.env.get("TRTD_TEST_RELEASE") === "1";
const why = wanted ? undefined : "set TRTD_TEST_RELEASE=1; it fetches ziglang from PyPI (80 MB)";

for (const architecture of RELEASE_ARCHITECTURES) {
  Deno.test({
    name: `shim: the release for ${architecture} is small, exports the header and needs no glibc above 2.28` +
      (why === undefined ? "" : ` (skipped: ${why})`),
    ignore: why !== undefined,
    async fn() {
      const library = await buildRelease(architecture);
      assert.ok(typeof library === "string", JSON.stringify(library));
      assert.ok((await Deno.stat(library)).size < 2 << 20);
      const versions = await readelf(["-V", library]);
      assert.ok(versions !== undefined, "readelf is missing");
      const needed = [...versions.matchAll(/GLIBC_(\d+)\.(\d+)/g)].map((match) => [Number(match[1]), Number(match[2])]);
      assert.ok(needed.length > 0);
      for (const [major, minor] of needed) {
        assert.ok(
          major! < OLDEST_GLIBC[0] || (major === OLDEST_GLIBC[0] && minor! <= OLDEST_GLIBC[1]),
          `${major}.${minor}`,
        );
      }
      assert.ok(!/GLIBCXX|CXXABI/.test(versions));
      const dynamic = await readelf(["-d", library]) ?? "";
      const libraries = [...dynamic.matchAll(/\(NEEDED\).*\[(.*?)\]/g)].map((match) => match[1]!);
      assert.ok(
        libraries.every((name) => /^(lib(c|m|dl|pthread|rt)\.so\.\d+|ld-linux.*)$/.test(name)),
        libraries.join(),
      );
      const symbols = await readelf(["--dyn-syms", "-W", library]) ?? "";
      const exported = [...symbols.matchAll(/ (?:GLOBAL|WEAK) +DEFAULT +\d+ (\S+)$/gm)].map((match) => match[1]!);
      const [header] = await abiFiles();
      assert.deepEqual(exported.sort(), parseHeader(header).functions.map((declared) => declared.name).sort());
    },
  });
}

Deno.test({
  name: "shim: the release for this machine drives all fakes" + (why === undefined ? "" : ` (skipped: ${why})`),
  ignore: why !== undefined || skipReason !== undefined || !RELEASE_ARCHITECTURES.includes(Deno.build.arch),
  async fn() {
    const library = await buildRelease(Deno.build.arch);
    assert.ok(typeof library === "string", JSON.stringify(library));
    const file = await Deno.makeTempFile();
    try {
      for (const { name, version } of FAMILIES) {
        const argument = { set: fakeSet(name), file };
        const found: Whole = await scenario<Whole>("whole", argument, { env: { TRTD_SHIM: library } });
        assert.equal(found.facts.version, version);
        assert.deepEqual(found.answer, [1, 3, 5, 7, 9, 11, 13, 15]);
        assert.deepEqual(found.journal.filter((line) => line.startsWith("WRONG SLOT")), []);
      }
    } finally {
      await Deno.remove(file);
    }
  },
});
