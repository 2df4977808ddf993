import assert from "node:assert/strict";
import { join } from "node:path";
import { Status } from "../../ffi/enums.ts";
import { buildShim } from "../../scripts/build_shim.ts";
import { FAILURES, ONE_GPU } from "./failure_cases.ts";
import { type FakeSet, fakeSetIn, shimAndFakes, skipReason } from "./children.ts";

/** The same cases without Deno: a C++ program over the fakes, plainly and under the sanitizers. */

const decoder = new TextDecoder();

async function drive(folder: string, what: string, set: FakeSet, rest: readonly string[], gpus: string) {
  return await run(folder, "drive", [what, set.cuda, set.core, set.parser, set.plugins ?? "-", ...rest], gpus);
}

async function run(folder: string, program: string, args: readonly string[], gpus: string) {
  const [command, ...prefix] = [...(folder.includes("aarch64") ? EMULATOR : []), join(folder, program)];
  const { code, stdout, stderr } = await new Deno.Command(command!, {
    args: [...prefix, ...args],
    env: { TRTD_FAKE: "", TRTD_FAKE_GPUS: gpus, ASAN_OPTIONS: "detect_leaks=1", UBSAN_OPTIONS: "halt_on_error=1" },
  }).output();
  return { code, stdout: decoder.decode(stdout).trimEnd(), stderr: decoder.decode(stderr) };
}

/** qemu with the libraries of Debian's cross compiler. */
const EMULATOR = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"];

const SETS = ["8.5", "8.6", "9.1", "9.3", "10.0", "10.16", "11.1", "rtx-1.4", "rtx-1.6"];

async function allCases(fakes: string, step: (name: string, body: () => Promise<void>) => Promise<unknown>) {
  const set = (name: string) => fakeSetIn(fakes, name);
  for (const what of ["whole", "threads"]) {
    for (const name of SETS) {
      await step(`${what} ${name}`, async () => {
        const end = await drive(fakes, what, set(name), [], ONE_GPU);
        assert.deepEqual([end.stdout, end.stderr, end.code], ["fine", "", 0]);
      });
    }
  }
  await step("pipes", async () => {
    const end = await drive(fakes, "pipes", set("10.16"), [], ONE_GPU);
    assert.deepEqual([end.stdout, end.stderr, end.code], ["fine", "", 0]);
  });
  await step("copies", async () => {
    const end = await run(fakes, "drive-copy", [], ONE_GPU);
    assert.deepEqual([end.stdout, end.stderr, end.code], ["fine", "", 0]);
  });
  for (const what of ["whole", "failing", "threads"]) {
    for (const name of ["8.6", "10.16", "rtx-1.6"]) {
      await step(`pipeline ${what} ${name}`, async () => {
        const { cuda, core, parser } = set(name);
        const end = await run(fakes, "drive-pipeline", [what, cuda, core, parser], ONE_GPU);
        assert.deepEqual([end.stdout, end.stderr, end.code], ["fine", "", 0]);
      });
    }
  }
  for (const row of FAILURES) {
    await step(row.title, async () => {
      const model = row.model ?? "model\ninput x 0 1x4\noutput y 0 1x4\n";
      const end = await drive(fakes, "failing", set(row.set), [row.step, row.fake, model], row.gpus ?? ONE_GPU);
      const [status, origin, code, ...message] = end.stdout.split("\t");
      assert.deepEqual(
        [Status[Number(status)], Number(origin), Number(code)],
        [row.status, row.origin, row.code],
        end.stdout,
      );
      assert.match(message.join("\t"), row.message);
      assert.deepEqual([end.stderr, end.code], ["", 0]);
    });
  }
}

Deno.test({
  name: "drive: the C++ program passes all cases" + (skipReason === undefined ? "" : ` (skipped: ${skipReason})`),
  ignore: skipReason !== undefined,
  async fn(context) {
    await allCases(shimAndFakes().fakes, (name, body) => context.step(name, body));
  },
});

const wanted = Deno.env.get("TRTD_TEST_SANITIZERS") === "1";

Deno.test({
  name: "drive: all cases are clean under AddressSanitizer and UBSan" +
    (wanted ? "" : " (skipped: set TRTD_TEST_SANITIZERS=1; it builds everything a second time)"),
  ignore: !wanted || skipReason !== undefined,
  async fn(context) {
    const built = await buildShim({ fakes: true, sanitize: true });
    assert.ok(built.status !== "missing" && built.fakes !== null);
    await allCases(built.fakes, (name, body) => context.step(name, body));
  },
});

async function emulatorThere(): Promise<boolean> {
  try {
    return (await new Deno.Command(EMULATOR[0]!, { args: ["--version"], stdout: "null", stderr: "null" }).output())
      .success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const arm = Deno.env.get("TRTD_TEST_AARCH64") === "1";

Deno.test({
  name: "drive: all cases pass on 64-bit Arm under qemu" +
    (arm ? "" : " (skipped: set TRTD_TEST_AARCH64=1; it needs g++-aarch64-linux-gnu and qemu-user)"),
  ignore: !arm,
  async fn(context) {
    assert.ok(await emulatorThere(), `"${EMULATOR[0]}" is missing (apt install qemu-user)`);
    const built = await buildShim({ fakes: true, aarch64: true });
    assert.ok(built.status !== "missing" && built.fakes !== null, JSON.stringify(built));
    await allCases(built.fakes, (name, body) => context.step(name, body));
  },
});
