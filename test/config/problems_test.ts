import assert from "node:assert/strict";
import { type Layers, mergeConfig } from "../../src/config/config.ts";
import { notJson } from "../../src/config/problem.ts";
import { TrtdError } from "../../src/errors.ts";

function refusal(some: Partial<Layers>): TrtdError {
  try {
    mergeConfig({ environment: {}, flags: {}, ...some });
  } catch (error) {
    assert.ok(error instanceof TrtdError, String(error));
    return error;
  }
  throw new Error("nothing was refused");
}

const inFile = (value: unknown): Partial<Layers> => ({ documents: [{ origin: "f.json", value }] });

Deno.test("config: every problem of every layer is told at once, also of values that are replaced", () => {
  const error = refusal({
    documents: [
      { origin: "/etc/trtd/config.json", value: { prot: 1, port: "x" } },
      { origin: "f.json", value: { cache: { layuot: "shared" }, max_pixels: -1 } },
      { origin: "SERVING_ENVIRONMENT", value: { aliases: { minio: { endpont: "https://x", bucket: 1 } } } },
    ],
    environment: { TRTD_PROT: "1", TRTD_PORT: "99999" },
    flags: { port: "80", score: "high" },
  });
  assert.equal(error.code, "CONFIG_INVALID");
  for (
    const says of [
      /^8 settings are wrong: \(1\) .*\(8\) /,
      /config\.json" names the unknown setting "prot": Did you mean "port"/,
      /"port" from \/etc\/trtd\/config\.json is "x"/,
      /"cache\.layuot": Did you mean "cache_layout"/,
      /"max_pixels" from f\.json is -1/,
      /"aliases" from SERVING_ENVIRONMENT is wrong: .*"minio" has the unknown member "endpont"; did you mean "endpoint"/,
      /"minio\.bucket"/,
      /variable "TRTD_PROT": Did you mean "TRTD_PORT"/,
      /"port" from TRTD_PORT is "99999"/,
      /The flag --score is "high"/,
    ]
  ) assert.match(error.message, says);
});

const BAD: readonly [name: string, some: Partial<Layers>, says: RegExp][] = [
  ["a boolean that is a word", { environment: { TRTD_INSECURE: "maybe" } }, /TRTD_INSECURE is "maybe"/],
  ["a boolean as text in JSON", inFile({ insecure: "true" }), /"insecure" from f\.json is "true"/],
  ["a network with too many bits", inFile({ http: { trusted_networks: ["10.0.0.0/33"] } }), /"0" must be an address/],
  ["a network of words", { flags: { http_trusted_networks: "lan" } }, /--http-trusted-networks is "lan"/],
  ["a leading zero in a network", inFile({ http_trusted_networks: ["010.0.0.0/8"] }), /must be an address/],
  ["a host name with a port", inFile({ http_allowed_hosts: ["trtd.example:80"] }), /host name in lower case/],
  [
    "an object that is not JSON",
    { environment: { TRTD_ALIASES: '{"a": }' } },
    /is wrong: is not JSON: "}" is unexpected/,
  ],
  ["an alias's name of one letter", inFile({ aliases: { c: { endpoint: "https://x", bucket: "b" } } }), /2 to 32/],
  ["an alias with ftp", inFile({ aliases: { ab: { endpoint: "ftp://x", bucket: "b" } } }), /"ab\.endpoint" must be/],
  ["an alias with a password", inFile({ aliases: { ab: { endpoint: "https://u:p@x", bucket: "b" } } }), /user or pass/],
  ["aliases that are a list", inFile({ aliases: [] }), /"aliases" from f\.json is wrong/],
  ["an upstream of ftp", { flags: { upstream: "ftp://x/y" } }, /path or an address of http or https/],
  ["an upstream without a host", { flags: { upstream: "https:///y" } }, /path or an address of http or https/],
  ["a group that nobody knows", inFile({ foo: {} }), /unknown setting "foo"/],
  ["a group for a setting of one word", inFile({ port: { number: 80 } }), /"port" from f\.json is \{"number":80\}/],
  ["a member of the prototype", inFile(JSON.parse('{"__proto__": {"port": 1}}')), /"__proto__\.port"/],
  ["constructor as a key", inFile({ constructor: 1 }), /unknown setting "constructor"/],
  ["JSON's null", inFile(null), /one JSON object/],
  ["a text", inFile("port"), /one JSON object/],
  ["null as a value", inFile({ port: null }), /"port" from f\.json is null/],
  ["a key in capitals", inFile({ Port: 1 }), /unknown setting "Port"/],
];

for (const [name, some, says] of BAD) {
  Deno.test(`config: ${name} is refused`, () => {
    const { message, remedy } = refusal(some);
    assert.match(message, says);
    assert.notEqual(remedy, "");
  });
}

Deno.test("config: what upstream sets about itself is refused", () => {
  const documents = [{ origin: "https://up", value: { upstream: "https://other", port: 1 }, upstream: true }];
  assert.match(refusal({ documents }).message, /"https:\/\/up" sets "upstream"/);
});

Deno.test("config: $schema is for editors and no setting", () => {
  const documents = [{ origin: "f", value: { $schema: "./x.json", port: 7 } }];
  assert.equal(mergeConfig({ documents, environment: {}, flags: {} }).config.port, 7);
});

Deno.test("config: a wrong secret is told without its value", () => {
  const short = refusal({ environment: { TRTD_API_KEY: "tooshort" } });
  assert.match(short.message, /"api_key" from TRTD_API_KEY is wrong: must be 16 to 256/);
  assert.doesNotMatch(short.message, /tooshort/);
  const alias = refusal(inFile({ aliases: { ab: { endpoint: 1, bucket: "b", secret_key: "hunter2hunter2" } } }));
  assert.doesNotMatch(alias.message, /hunter2/);
});

Deno.test("config: a text that is not JSON is told by its place, never quoted", () => {
  for (const text of ['{"api_key": "hunter2hunter2" "port": 1}', '{"api_key": "hunter2hunter2', "hunter2hunter2", ""]) {
    try {
      JSON.parse(text);
    } catch (error) {
      assert.doesNotMatch(notJson(text, error), /hunter2/);
      assert.match(notJson(text, error), /^is not JSON/);
      continue;
    }
    throw new Error("it is JSON");
  }
});
