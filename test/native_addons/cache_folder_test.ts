import assert from "node:assert/strict";
import { join } from "node:path";
import { TrtdError } from "../../src/errors.ts";
import { cacheFolder, privateChild, privateFolder } from "../../src/native/cache_folder.ts";

const NAMES = ["TRTD_CACHE_DIR", "XDG_CACHE_HOME", "HOME"] as const;

function withEnvironment<T>(values: Partial<Record<typeof NAMES[number], string>>, action: () => T): T {
  const before = NAMES.map((name) => [name, Deno.env.get(name)] as const);
  for (const name of NAMES) {
    const value = values[name];
    if (value === undefined) Deno.env.delete(name);
    else Deno.env.set(name, value);
  }
  try {
    return action();
  } finally {
    for (const [name, value] of before) if (value !== undefined) Deno.env.set(name, value);
  }
}

function inFolder(action: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "trtd-test-" });
  try {
    action(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const unusable = (pattern: RegExp) => (error: unknown) =>
  error instanceof TrtdError && error.code === "CACHE_FOLDER_UNUSABLE" && pattern.test(error.message);

Deno.test("cache folder: TRTD_CACHE_DIR comes before XDG_CACHE_HOME, that before HOME", () => {
  const all = { TRTD_CACHE_DIR: "/a", XDG_CACHE_HOME: "/b", HOME: "/c" };
  assert.equal(withEnvironment(all, cacheFolder), "/a");
  assert.equal(withEnvironment({ XDG_CACHE_HOME: "/b", HOME: "/c" }, cacheFolder), "/b/trtd");
  assert.equal(withEnvironment({ HOME: "/c" }, cacheFolder), "/c/.cache/trtd");
});

Deno.test("cache folder: a relative XDG_CACHE_HOME is ignored, a relative TRTD_CACHE_DIR is resolved", () => {
  assert.equal(withEnvironment({ XDG_CACHE_HOME: "b", HOME: "/c" }, cacheFolder), "/c/.cache/trtd");
  assert.equal(withEnvironment({ TRTD_CACHE_DIR: "cache" }, cacheFolder), join(Deno.cwd(), "cache"));
});

Deno.test("cache folder: without any of the variables the error names them", () => {
  assert.throws(() => withEnvironment({}, cacheFolder), unusable(/"TRTD_CACHE_DIR", "XDG_CACHE_HOME" and "HOME"/));
});

Deno.test("cache folder: missing folders are made for this user alone", () => {
  inFolder((folder) => {
    const made = privateFolder(join(folder, "a", "b"));
    assert.equal(Deno.statSync(made).mode! & 0o777, 0o700);
    assert.equal(Deno.statSync(join(folder, "a")).mode! & 0o777, 0o700);
    const child = privateChild(made, "native");
    assert.equal(Deno.statSync(child).mode! & 0o777, 0o700);
    assert.equal(privateChild(made, "native"), child, "a second call finds it");
  });
});

for (const mode of [0o720, 0o702, 0o777, 0o1777]) {
  Deno.test(`cache folder: mode 0${mode.toString(8)} is refused, with the command that mends it`, () => {
    inFolder((folder) => {
      Deno.chmodSync(folder, mode);
      assert.throws(() => privateFolder(folder), unusable(/can be written by other users/));
      assert.throws(() => privateFolder(folder), (error) => /chmod go-w/.test((error as TrtdError).remedy));
    });
  });
}

Deno.test("cache folder: a readable folder of this user is fine", () => {
  inFolder((folder) => {
    Deno.chmodSync(folder, 0o755);
    assert.equal(privateFolder(folder), Deno.realPathSync(folder));
  });
});

Deno.test("cache folder: a file in its place is refused", () => {
  inFolder((folder) => {
    Deno.writeTextFileSync(join(folder, "file"), "");
    assert.throws(() => privateFolder(join(folder, "file")), unusable(/is not a folder/));
    assert.throws(() => privateFolder(join(folder, "file", "below")), unusable(/is not a folder/));
  });
});

Deno.test("cache folder: a link to a folder of this user is followed, one below it is not", () => {
  inFolder((folder) => {
    Deno.mkdirSync(join(folder, "real"), { mode: 0o700 });
    Deno.symlinkSync(join(folder, "real"), join(folder, "link"));
    assert.equal(privateFolder(join(folder, "link")), Deno.realPathSync(join(folder, "real")));
    Deno.mkdirSync(join(folder, "elsewhere"), { mode: 0o700 });
    Deno.symlinkSync(join(folder, "elsewhere"), join(folder, "real", "native"));
    assert.throws(() => privateChild(join(folder, "real"), "native"), unusable(/is not a folder/));
  });
});

Deno.test("cache folder: a folder of another user is refused, also for root", () => {
  inFolder((folder) => {
    if (Deno.uid() === 0) Deno.chownSync(folder, 65534, 65534);
    const [path, uid] = Deno.uid() === 0 ? [folder, 65534] : ["/", 0];
    assert.throws(() => privateFolder(path), unusable(new RegExp(`belongs to another user \\(uid ${uid}\\)`)));
  });
});

Deno.test("cache folder: one that cannot be made says so and names the path", () => {
  assert.throws(() => privateFolder("/proc/trtd-cache"), unusable(/"\/proc\/trtd-cache"/));
});
