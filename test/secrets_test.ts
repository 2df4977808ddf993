import assert from "node:assert/strict";
import { resolve } from "node:path";
import { isSecretName, rememberSecret, valueWithoutSecrets, withoutSecrets } from "../src/secrets.ts";

Deno.test("secrets: names of secrets are told from names of files and variables", () => {
  for (const name of ["api_key", "secret_key", "access_key", "upstream_token", "PASSWORD", "session_token"]) {
    assert.equal(isSecretName(name), true, name);
  }
  for (const name of ["api_keys_file", "secret_key_env", "credentials_file", "key", "port", "ca_file"]) {
    assert.equal(isSecretName(name), false, name);
  }
});

Deno.test("secrets: values of secret members are hidden at any depth, others stay", () => {
  const value = { a: [{ secret_key: "x", port: 1, url: "https://u:p@h/" }], secret_key_env: "NAME" };
  assert.deepEqual(valueWithoutSecrets(value), {
    a: [{ secret_key: "***", port: 1, url: "https://***@h/" }],
    secret_key_env: "NAME",
  });
});

Deno.test("secrets: a remembered value is hidden wherever it stands", () => {
  rememberSecret("correct horse");
  rememberSecret("word");
  assert.equal(withoutSecrets("the correct horse and a word"), "the *** and a word");
});

Deno.test("secrets: a path of a file of keys may be told", () => {
  assert.equal(withoutSecrets("api_keys_file=/etc/trtd/keys"), "api_keys_file=/etc/trtd/keys");
});

const LEAKS: readonly [name: string, code: string][] = [
  ["in the message", 'log.info("key " + SECRET)'],
  ["as a property", 'log.info("{a}", { a: SECRET })'],
  ["as a property that the message does not name", 'log.info("x", { api_key: SECRET, deep: { token: SECRET } })'],
  ["in an error", 'log.error("{error}", { error: new Error(`failed with ${SECRET}`) })'],
  ["in an error's cause", 'log.error("{error}", { error: new Error("x", { cause: new Error(SECRET) }) })'],
  ["in quotes", 'log.warning("{json}", { json: JSON.stringify({ password: SECRET }) })'],
  ["in an address", 'log.warning("GET {url}", { url: `https://ann:${SECRET}@host/x?token=${SECRET}` })'],
  ["in a header", 'log.warning("{headers}", { headers: { authorization: `Bearer ${SECRET}` } })'],
];

for (const form of ["text", "json"] as const) {
  Deno.test(`secrets: no log line in the form ${form} has one`, async () => {
    const log = resolve(import.meta.dirname!, "../src/log.ts");
    const secrets = resolve(import.meta.dirname!, "../src/secrets.ts");
    const script = `
      import { configureLog, getLogger } from ${JSON.stringify(log)};
      import { rememberSecret } from ${JSON.stringify(secrets)};
      const SECRET = "hunter2-hunter2";
      if (Deno.args[0] === "remembered") rememberSecret(SECRET);
      await configureLog({ log_level: "debug", log_format: "${form}" });
      const log = getLogger(["trtd", "test"]);
      ${LEAKS.filter(([, code]) => code !== "").map(([name, code]) => `/* ${name} */ ${code};`).join("\n")}
      log.info("last {n}", { n: 7 });`;
    const path = await Deno.makeTempFile({ suffix: ".ts" });
    await Deno.writeTextFile(path, script);
    try {
      const config = resolve(import.meta.dirname!, "../deno.json");
      const { stderr, code } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--quiet", "--config", config, path, "remembered"],
        env: { NO_COLOR: "1" },
      }).output();
      const lines = new TextDecoder().decode(stderr);
      assert.equal(code, 0, lines);
      assert.match(lines, /last 7/);
      assert.doesNotMatch(lines, /hunter2/);
      if (form !== "json") return;
      const parsed = lines.trim().split("\n").map((line) => JSON.parse(line));
      assert.equal(parsed.length, LEAKS.length + 1);
    } finally {
      await Deno.remove(path);
    }
  });
}
